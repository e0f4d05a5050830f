"""Sentences written for training: of every kind and language, none said twice, and none of what tests use."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from client.followups import FollowUpKind
from simulations.evaluation.followup_cases import read_abredial, read_feedbackqa
from simulations.evaluation.followup_labels import SeedFollowUp, read_realhumaneval_labels, seed_follow_ups
from simulations.population.embedded.followups import FEEDBACK, HELD_OUT_FEEDBACK, HELD_OUT_OTHER, OTHER
from tests.client.followups.test_light import UNSEEN

DATA = Path(__file__).parents[4] / "shared" / "data"


def plain(text: str) -> str:
    """Letters and digits only, so that a full stop hides no copy."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text.casefold()).split())


def sentences() -> dict[int, SeedFollowUp]:
    return {one.sentence: one for one in seed_follow_ups(contexts=1)}


def test_every_language_has_every_kind() -> None:
    counts = Counter((one.language, one.kind) for one in sentences().values())
    for kind in FollowUpKind:
        assert counts["en", kind] >= 100
        for language in ("de", "ja", "ar"):
            assert counts[language, kind] >= 12


def test_no_sentence_is_written_twice() -> None:
    counts = Counter(one.followup.text for one in sentences().values())
    assert [text for text, count in counts.items() if count > 1] == []


def test_contexts_are_drawn_by_seed_and_of_the_sentence_s_language() -> None:
    twice = seed_follow_ups(contexts=2, seed=1)
    assert twice == seed_follow_ups(contexts=2, seed=1)
    assert [one.followup for one in twice] != [one.followup for one in seed_follow_ups(contexts=2, seed=2)]
    assert {one.sentence for one in twice} == set(sentences())
    japanese = [one.followup.conversation[0].content for one in twice if one.language == "ja"]
    assert all(not request.isascii() for request in japanese)


def test_nothing_that_is_tested_on_is_trained_on() -> None:
    written = {plain(one.followup.text) for one in sentences().values()} - {""}
    for table in (HELD_OUT_FEEDBACK, HELD_OUT_OTHER, FEEDBACK, OTHER):
        assert not written & {plain(phrase) for phrases in table.values() for phrase in phrases}
    assert not written & {plain(text) for texts in UNSEEN.values() for text in texts}


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not on this machine")
def test_no_sentence_is_a_real_person_s() -> None:
    real = {
        plain(message.content)
        for one in read_realhumaneval_labels(DATA / "realhumaneval_chat")
        for message in one.followup.conversation
        if message.role == "user"
    }
    real |= {plain(one.followup.text) for one in read_realhumaneval_labels(DATA / "realhumaneval_chat")}
    rated = DATA / "followup_feedback_labels"
    real |= {plain(one.followup.text) for one in (*read_feedbackqa(rated), *read_abredial(rated))}
    copied = [one.sentence for one in sentences().values() if plain(one.followup.text) in real - {""}]
    assert copied == []
