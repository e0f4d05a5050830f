"""Cases to measure follow-up classifiers on: balanced, held out, and strictly read."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from client.followups import FollowUpKind
from shared.preference_files import PreferenceFileError
from simulations.evaluation.followup_cases import (
    ABREDIAL_FILE,
    FEEDBACKQA_FILE,
    embedded_cases,
    read_abredial,
    read_feedbackqa,
)
from simulations.population.embedded.followups import FEEDBACK, HELD_OUT_FEEDBACK, HELD_OUT_OTHER, OTHER
from simulations.population.embedded.topics import topics

PRIVATE = "zebra-quartz-7781"
REAL = Path(__file__).parents[4] / "shared" / "data" / "followup_feedback_labels"

FEEDBACKQA: dict[str, object] = {
    "id": "1", "source": "s", "split": "train", "question": "How old?", "response": "Six.", "followup": "Good.",
    "label": "excellent",
}  # fmt: skip
ABREDIAL = {
    "id": "1", "source": "s", "conversation_id": "c", "context": [{"role": "user", "content": "I like horror."}],
    "response": "Seen this?", "followup": "Yes!", "satisfaction": [4.0, 5.0], "mean_satisfaction": 4.5,
}  # fmt: skip


def write(path: Path, *lines: dict[str, object]) -> None:
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")


def test_kinds_come_in_equal_shares_and_in_held_out_words() -> None:
    cases = embedded_cases(cases=100, seed=1)
    assert set(Counter(one.kind for one in cases).values()) == {20}
    seen = {phrase for table in (FEEDBACK, OTHER) for phrases in table.values() for phrase in phrases}
    held_out = {
        phrase for table in (HELD_OUT_FEEDBACK, HELD_OUT_OTHER) for phrases in table.values() for phrase in phrases
    }
    texts = {one.followup.text for one in cases if one.kind is not FollowUpKind.NEW_REQUEST}
    assert texts <= held_out
    assert not texts & seen
    assert cases == embedded_cases(cases=100, seed=1)
    assert cases != embedded_cases(cases=100, seed=2)


def test_requests_are_about_held_out_topics() -> None:
    names = [topic.name for topic in topics(held_out=True)]
    for one in embedded_cases(cases=25):
        assert any(name in one.followup.conversation[0].content for name in names)
        if one.kind is FollowUpKind.NEW_REQUEST:
            assert any(name in one.followup.text for name in names)


def test_training_phrases_are_there_to_compare_with() -> None:
    said = {phrase for table in (FEEDBACK, OTHER) for phrases in table.values() for phrase in phrases}
    cases = embedded_cases(cases=50, held_out=False)
    assert {one.followup.text for one in cases if one.kind is not FollowUpKind.NEW_REQUEST} <= said


def test_feedbackqa_s_labels_are_sides(tmp_path: Path) -> None:
    levels = ("excellent", "acceptable", "could_improve", "bad")
    write(tmp_path / FEEDBACKQA_FILE, *[FEEDBACKQA | {"label": level} for level in levels])
    found = read_feedbackqa(tmp_path)
    assert [one.positive for one in found] == [True, True, False, False]
    assert {one.group for one in found} == {"How old?"}
    assert [message.role for message in found[0].followup.conversation] == ["user", "assistant"]


def test_abredial_s_ratings_are_sides_and_a_neutral_one_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / ABREDIAL_FILE, *[ABREDIAL | {"mean_satisfaction": mean} for mean in (3.25, 3, 2.9, 1, 5)])
    assert [one.positive for one in read_abredial(tmp_path)] == [True, False, False, True]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": PRIVATE}, "label"),
        ({"question": " "}, "question"),
        ({"followup": 3}, "followup"),
        ({"more": 1}, "more"),
    ],
)
def test_malformed_feedbackqa_is_told_without_its_text(tmp_path: Path, change: dict[str, object], field: str) -> None:
    write(tmp_path / FEEDBACKQA_FILE, FEEDBACKQA, FEEDBACKQA | change)
    with pytest.raises(PreferenceFileError, match=f"line 2, {field}") as caught:
        read_feedbackqa(tmp_path)
    assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mean_satisfaction": 6}, "mean_satisfaction"),
        ({"mean_satisfaction": True}, "mean_satisfaction"),
        ({"mean_satisfaction": PRIVATE}, "mean_satisfaction"),
        ({"context": []}, "context"),
        ({"context": [{"role": PRIVATE, "content": "a"}]}, "context"),
    ],
)
def test_malformed_abredial_is_told_without_its_text(tmp_path: Path, change: dict[str, object], field: str) -> None:
    write(tmp_path / ABREDIAL_FILE, ABREDIAL | change)
    with pytest.raises(PreferenceFileError, match=f"line 1, {field}") as caught:
        read_abredial(tmp_path)
    assert PRIVATE not in str(caught.value)


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/followup_feedback_labels is not on this machine")
def test_the_real_files_are_read_whole() -> None:
    feedbackqa, abredial = read_feedbackqa(REAL), read_abredial(REAL)
    assert len(feedbackqa) == 7_821
    assert len(abredial) == 353
    assert sum(one.positive for one in abredial) == 291
