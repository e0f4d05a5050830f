"""Training the light classifier: from what, deterministically, and to the weights that are packaged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from client.followups import FollowUp, FollowUpKind
from client.followups.light import KINDS, LightFollowUpClassifier, packaged_weights
from shared.conversation import Message
from simulations.evaluation import followup_training
from simulations.evaluation.followup_cases import embedded_cases
from simulations.evaluation.followup_classification import classify_labelled
from simulations.evaluation.followup_labels import LabelledFollowUp, seed_follow_ups, split_by_user
from simulations.evaluation.followup_training import (
    RECIPE_VERSION,
    TrainingExample,
    combined_seed_examples,
    embedded_examples,
    fit_light_weights,
    held_out_logits,
    labelled_examples,
    seed_examples,
    train_light_classifier,
)
from simulations.population.embedded.followups import HELD_OUT_FEEDBACK, HELD_OUT_OTHER
from simulations.population.embedded.topics import topics

HELD_OUT = {phrase for table in (HELD_OUT_FEEDBACK, HELD_OUT_OTHER) for phrases in table.values() for phrase in phrases}


def few() -> tuple[TrainingExample, ...]:
    return embedded_examples(contexts=1)[::2]


def users(count: int, messages: int) -> list[LabelledFollowUp]:
    """Made-up follow-ups of which the user's own word tells the kind."""
    kinds = (FollowUpKind.NEW_REQUEST, FollowUpKind.REATTEMPT)
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    return [
        LabelledFollowUp(
            user_id=f"user{user}",
            followup=FollowUp(conversation=turns, text=f"user{user} says {kinds[place % 2].name} {place}"),
            kind=kinds[place % 2],
        )
        for user in range(count)
        for place in range(messages)
    ]


def test_nothing_held_out_is_trained_on() -> None:
    examples = embedded_examples()
    assert not {one.followup.text for one in examples} & HELD_OUT
    names = [topic.name for topic in topics(held_out=True)]
    for one in examples:
        said = f"{one.followup.conversation[0].content} {one.followup.text}"
        assert not any(f"{name}?" in said or f"{name}." in said for name in names)


def test_no_test_user_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = users(10, 2)
    fitted: list[TrainingExample] = []

    def keep(examples: tuple[TrainingExample, ...], **_: object) -> None:
        fitted.extend(examples)

    monkeypatch.setattr(followup_training, "fit_light_weights", keep)
    train_light_classifier(labelled)
    test = {one.user_id for one in split_by_user(labelled)[1]}
    real = {one.group for one in fitted if one.source == "realhumaneval"}
    assert len(test) == 4
    assert real == {one.user_id for one in labelled} - test


def test_messages_of_several_sentences_follow_the_guideline_s_order() -> None:
    kind_of = {one.followup.text: one.kind for one in seed_follow_ups(contexts=1)}
    order = [
        FollowUpKind.REATTEMPT,
        FollowUpKind.CLARIFICATION,
        FollowUpKind.NEW_REQUEST,
        FollowUpKind.POSITIVE,
        FollowUpKind.UNRELATED,
    ]
    checked = 0
    for one in combined_seed_examples(messages=100):
        parts = [kind for text, kind in kind_of.items() if len(text) > 12 and text in one.followup.text]
        assert (
            all(order.index(kind) >= order.index(one.kind) for kind in parts if kind is not one.kind) or len(parts) > 4
        )
        checked += len(parts) > 1
    assert checked > 30
    assert set(Counter(one.kind for one in combined_seed_examples(messages=100)).values()) == {20}


def test_a_split_of_the_sentences_parts_no_combined_message() -> None:
    block_of = {one.followup.text: one.group for one in seed_examples(contexts=1)}
    for one in combined_seed_examples(messages=60):
        inside = [text for text in block_of if len(text) > 25 and text in one.followup.text]
        assert {block_of[text] for text in inside} <= {one.group}


def test_a_small_version_learns_the_world_deterministically() -> None:
    examples = few()
    weights = fit_light_weights(examples, recipe="small", buckets=1024, folds=2)
    again = fit_light_weights(examples, recipe="small", buckets=1024, folds=2)
    assert np.array_equal(weights.hashed, again.hashed)
    assert np.array_equal(weights.relations, again.relations)

    scores = classify_labelled("", LightFollowUpClassifier(weights=weights), embedded_cases(cases=100)).scores
    assert scores.macro_f1 >= 0.6
    assert scores.majority_macro_f1 < 0.1


def test_wrong_labels_teach_wrong_kinds() -> None:
    moved = {kind: KINDS[(place + 1) % len(KINDS)] for place, kind in enumerate(KINDS)}
    planted = [
        TrainingExample(source=one.source, group=one.group, followup=one.followup, kind=moved[one.kind])
        for one in few()
    ]
    weights = fit_light_weights(planted, recipe="planted", buckets=1024, folds=2)
    scores = classify_labelled("", LightFollowUpClassifier(weights=weights), embedded_cases(cases=100)).scores
    assert scores.macro_f1 <= 0.2


def test_cross_fitted_logits_know_nothing_of_their_own_group() -> None:
    # A user's kind is told by nothing but the user's name: who is unseen cannot be told.
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    names = ("alpha", "bravo", "carol", "delta", "echo", "fox")
    examples = [
        TrainingExample(
            source="seeds", group=name, followup=FollowUp(conversation=turns, text=name), kind=KINDS[place % 2]
        )
        for place, name in enumerate(names)
        for _ in range(3)
    ]
    unseen = held_out_logits(examples, buckets=256, folds=6).argmax(axis=1)
    right = np.mean([KINDS[kind] is one.kind for kind, one in zip(unseen, examples, strict=True)])
    fitted = fit_light_weights(examples, recipe="", buckets=256, folds=6)
    labels = LightFollowUpClassifier(weights=fitted).classify([one.followup for one in examples])
    assert np.mean([label.kind is one.kind for label, one in zip(labels, examples, strict=True)]) == 1
    assert right <= 0.5


def test_real_shares_do_not_become_prejudice() -> None:
    # Nine re-attempts in ten: a follow-up that says nothing must not be taken for one because of that.
    turns = (Message(role="user", content="a"), Message(role="assistant", content="b"))
    skewed = [
        LabelledFollowUp(
            user_id=f"u{place}",
            followup=FollowUp(conversation=turns, text="again" if place % 10 else "next"),
            kind=FollowUpKind.REATTEMPT if place % 10 else FollowUpKind.NEW_REQUEST,
        )
        for place in range(60)
    ]
    written = [one for one in few() if one.kind in (FollowUpKind.REATTEMPT, FollowUpKind.NEW_REQUEST)]
    weights = fit_light_weights([*written, *labelled_examples(skewed)], recipe="", buckets=1024, folds=2)
    again, following, nothing = LightFollowUpClassifier(weights=weights).classify(
        [FollowUp(conversation=turns, text=text) for text in ("again", "next", "zzz")]
    )
    assert (again.kind, following.kind) == (FollowUpKind.REATTEMPT, FollowUpKind.NEW_REQUEST)
    assert nothing.confidence < min(again.confidence, following.confidence)


def test_too_little_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to learn"):
        fit_light_weights([], recipe="")
    with pytest.raises(ValueError, match="two groups"):
        held_out_logits(few()[:1])


def test_the_packaged_weights_name_this_recipe() -> None:
    assert packaged_weights().recipe == f"followup_training {RECIPE_VERSION} embedded+seeds seed 0"


@pytest.mark.slow
def test_the_packaged_weights_are_what_the_recipe_makes() -> None:
    made, packaged = train_light_classifier(), packaged_weights()
    assert made.recipe == packaged.recipe
    assert np.allclose(made.hashed, packaged.hashed, atol=0.02)
    assert np.allclose(made.relations, packaged.relations, atol=0.02)
