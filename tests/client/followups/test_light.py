"""The light classifier: the protocol's contract, its weights' file, and what it must be able to tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors.numpy import load_file, save_file

from client.followups import FollowUpClassifier, FollowUpKind
from client.followups.features import RELATION_COUNT, follow_up_features
from client.followups.light import (
    CAREFUL_CONFIDENCE,
    KINDS,
    WEIGHTS_FILE,
    LightFollowUpClassifier,
    LightWeights,
    LightWeightsError,
    packaged_weights,
)
from tests.client.followups.examples import ODD_TEXTS, any_text, follow_up

# Written for this test; `test_followup_seeds` checks that no training sentence is among them.
UNSEEN: dict[FollowUpKind, tuple[str, ...]] = {
    FollowUpKind.REATTEMPT: (
        "Please shorten it to three sentences.",
        "That is far too complicated, explain it to a child.",
        "You forgot to mention the oven temperature.",
        "It throws an exception: ValueError: invalid literal",
        "Write it again without the second paragraph.",
        "I asked about cats and not about dogs.",
    ),
    FollowUpKind.CLARIFICATION: (
        "Why does it have to be cold water?",
        "Are you really sure about the number?",
        "What do you mean by lukewarm?",
        "Isn't it eight minutes and not six?",
        "Does that also work at high altitude?",
    ),
    FollowUpKind.POSITIVE: (
        "Thank you very much, that helped me a lot.",
        "Great, it works perfectly now!",
        "Awesome, exactly what I needed.",
        "Very good explanation, thanks.",
        "Lovely answer, I like it.",
    ),
    FollowUpKind.NEW_REQUEST: (
        "How do I make a good cup of coffee?",
        "Write a poem about the moon.",
        "What is the capital of Sweden?",
        "Now tell me how to fry potatoes.",
        "how to delete a file in linux",
    ),
    FollowUpKind.UNRELATED: (
        "It is raining again today.",
        "My sister called me this morning.",
        "I am so tired today.",
        "hello hello",
        "The neighbours are so loud.",
    ),
}


def made_weights(seed: int = 0, *, buckets: int = 128, scale: float = 3.0) -> LightWeights:
    generator = np.random.default_rng(seed)
    return LightWeights(
        hashed=generator.normal(scale=scale, size=(buckets, len(KINDS))).astype(np.float32),
        relations=generator.normal(scale=scale, size=(RELATION_COUNT, len(KINDS))).astype(np.float32),
        recipe="a test's",
    )


def macro_recall(classifier: FollowUpClassifier, cases: dict[FollowUpKind, tuple[str, ...]]) -> float:
    recalls = []
    for kind, texts in cases.items():
        labels = classifier.classify([follow_up(text) for text in texts])
        recalls.append(sum(label.kind is kind for label in labels) / len(texts))
    return sum(recalls) / len(recalls)


def test_nothing_in_nothing_out() -> None:
    assert LightFollowUpClassifier.packaged().classify([]) == []


def test_labels_come_in_the_order_asked() -> None:
    classifier = LightFollowUpClassifier.packaged()
    followups = [follow_up(text) for texts in UNSEEN.values() for text in texts]
    together = classifier.classify(followups)
    assert together == [classifier.classify([followup])[0] for followup in followups]
    assert classifier.classify(followups[::-1]) == together[::-1]
    assert len(set(together)) > 5


@given(any_text, any_text, any_text)
@settings(max_examples=60)
def test_any_text_gets_a_kind_and_a_confidence(text: str, request: str, reply: str) -> None:
    (label,) = LightFollowUpClassifier.packaged().classify([follow_up(text, request=request, reply=reply)])
    assert label.kind in KINDS
    assert 1 / len(KINDS) - 1e-9 <= label.confidence <= 1


def test_odd_texts_get_labels() -> None:
    classifier = LightFollowUpClassifier.packaged()
    labels = classifier.classify([follow_up(text, request=text, reply=text) for text in ODD_TEXTS])
    assert len(labels) == len(ODD_TEXTS)
    assert all(0 <= label.confidence <= 1 for label in labels)


def test_extreme_weights_overflow_nothing() -> None:
    classifier = LightFollowUpClassifier(weights=made_weights(scale=1e4))
    assert all(0 <= label.confidence <= 1 for label in classifier.classify([follow_up(text) for text in ODD_TEXTS]))


def test_the_confidence_is_the_softmax_of_the_kind_named() -> None:
    weights = made_weights()
    followup = follow_up("make it shorter")
    shares = weights.probabilities(follow_up_features(followup, buckets=128))
    (label,) = LightFollowUpClassifier(weights=weights).classify([followup])
    assert shares.sum() == pytest.approx(1)
    assert label.kind is KINDS[int(shares.argmax())]
    assert label.confidence == pytest.approx(shares.max())


@pytest.mark.parametrize("threshold", [0.3, CAREFUL_CONFIDENCE, 1.0])
def test_a_threshold_unclaims_unsure_re_attempts_and_nothing_else(threshold: float) -> None:
    followups = [follow_up(text) for texts in UNSEEN.values() for text in texts]
    free = LightFollowUpClassifier.packaged().classify(followups)
    careful = LightFollowUpClassifier.packaged(reattempt_confidence=threshold).classify(followups)
    for before, after in zip(free, careful, strict=True):
        unsure = before.kind is FollowUpKind.REATTEMPT and before.confidence < threshold
        assert after == replace(before, kind=None if unsure else before.kind)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        LightFollowUpClassifier(reattempt_confidence=threshold)


def test_unseen_sentences_are_told_far_above_chance() -> None:
    classifier = LightFollowUpClassifier.packaged()
    assert macro_recall(classifier, UNSEEN) >= 0.7
    # Planted: with the labels moved on by one the same measure must fail.
    kinds = list(UNSEEN)
    moved = {kind: UNSEEN[kinds[(place + 1) % len(kinds)]] for place, kind in enumerate(kinds)}
    assert macro_recall(classifier, moved) <= 0.2


@pytest.mark.parametrize(
    "text", ["Vielen herzlichen Dank!", "ありがとうございました。", "شكرا لك كثيرا", "Thanks so much!"]
)
def test_thanks_are_never_a_sure_re_attempt(text: str) -> None:
    careful = LightFollowUpClassifier.packaged(reattempt_confidence=CAREFUL_CONFIDENCE)
    assert careful.classify([follow_up(text)])[0].kind is not FollowUpKind.REATTEMPT


def test_the_packaged_file_names_its_recipe_and_is_small() -> None:
    assert packaged_weights().recipe.startswith("followup_training 1 ")
    assert WEIGHTS_FILE.stat().st_size <= 300_000


def test_weights_are_loaded_at_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> LightWeights:
        raise LightWeightsError("loaded")

    monkeypatch.setattr("client.followups.light.packaged_weights", refuse)
    classifier = LightFollowUpClassifier()
    assert classifier.classify([]) == []
    with pytest.raises(LightWeightsError, match="loaded"):
        classifier.classify([follow_up("thanks")])


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    weights = made_weights()
    weights.save(tmp_path / "w.safetensors")
    loaded = LightWeights.load(tmp_path / "w.safetensors")
    assert loaded.recipe == "a test's"
    assert np.allclose(loaded.hashed, weights.hashed, atol=0.01)
    assert np.allclose(loaded.relations, weights.relations, atol=0.01)


def _damage(path: Path, how: str) -> None:
    made_weights().save(path)
    if how == "cut short":
        path.write_bytes(path.read_bytes()[:500])
    elif how == "no safetensors":
        path.write_bytes(b"hello")
    elif how == "a tensor is missing":
        save_file({"hashed": load_file(path)["hashed"]}, path, metadata=_header())
    elif how == "no header":
        save_file(load_file(path), path)
    elif how == "other features":
        save_file(load_file(path), path, metadata=_header() | {"features": "0"})
    elif how == "other kinds":
        save_file(load_file(path), path, metadata=_header() | {"kinds": "good, bad"})
    elif how == "other shape":
        tensors = load_file(path)
        save_file({**tensors, "relations": tensors["relations"][1:].copy()}, path, metadata=_header())
    elif how == "not a number":
        tensors = load_file(path)
        save_file({**tensors, "hashed": np.full_like(tensors["hashed"], np.nan)}, path, metadata=_header())
    else:
        path.unlink()


def _header() -> dict[str, str]:
    return {"features": "1", "kinds": ", ".join(FollowUpKind), "recipe": "a test's"}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "are not there: install Tacit again"),
        ("cut short", "cannot be read"),
        ("no safetensors", "cannot be read"),
        ("a tensor is missing", "cannot be read"),
        ("no header", "made for another features"),
        ("other features", "made for another features"),
        ("other kinds", "made for another kinds"),
        ("other shape", "damaged"),
        ("not a number", "damaged"),
    ],
)
def test_bad_weights_say_what_to_do(tmp_path: Path, how: str, said: str) -> None:
    path = tmp_path / "light.safetensors"
    _damage(path, how)
    with pytest.raises(LightWeightsError, match=said) as caught:
        LightWeights.load(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("shape", [(0, 5), (8, 4), (8,)])
def test_weights_of_another_shape_are_refused(shape: Sequence[int]) -> None:
    with pytest.raises(ValueError, match="table"):
        LightWeights(hashed=np.zeros(shape, np.float32), relations=made_weights().relations, recipe="")
