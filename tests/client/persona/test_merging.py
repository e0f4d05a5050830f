"""From observations to statements: recency, contradiction, and the token bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.persona.merging import Merging, merge
from client.persona.statements import Evidence, Observation, Persona, Statement

START = datetime(2026, 1, 1, tzinfo=UTC)


def observed(text: str, day: int | None, turn: int = 0) -> Observation:
    date = None if day is None else START + timedelta(days=day)
    return Observation(text=text, evidence=Evidence(conversation_id=f"day {day}", turn=turn, date=date))


def stated(*observations: Observation) -> list[str]:
    return [statement.text for statement in merge(observations).statements]


def test_the_newer_taste_overtakes_the_older_one() -> None:
    old = [observed("Likes long answers.", day) for day in (0, 1, 2)]
    assert stated(*old) == ["Likes long answers."]
    assert stated(*old, observed("Likes short answers.", 400)) == ["Likes short answers."]
    assert stated(*old, observed("Likes short answers.", 3)) == ["Likes long answers."]


def test_one_against_one_states_neither() -> None:
    assert stated(observed("Likes long answers.", 5), observed("Likes short answers.", 5)) == []


def test_confidence_grows_with_agreement_and_evidence_is_kept() -> None:
    one = merge([observed("Likes short answers.", 3, turn=2)]).statements[0]
    two = merge([observed("Likes short answers.", 3, turn=2), observed("Wants brief replies.", 4, turn=4)]).statements[
        0
    ]
    assert one.confidence == pytest.approx(0.5)
    assert one.confidence < two.confidence < 0.68
    assert [(found.conversation_id, found.turn) for found in two.evidence] == [("day 3", 2), ("day 4", 4)]
    assert two.text == "Wants brief replies."
    assert two.date == START + timedelta(days=4)


def test_open_preferences_that_differ_in_case_and_marks_are_one() -> None:
    assert stated(observed("メートル法を好む。", 1), observed("メートル法を好む", 2)) == ["メートル法を好む"]


def test_what_has_no_date_does_not_overtake_what_has() -> None:
    undated = [observed("Likes long answers.", None)]
    dated = [observed("Likes short answers.", day) for day in (1, 2)]
    assert stated(*undated, *dated) == ["Likes short answers."]


TEXTS = st.sampled_from(
    [
        "Likes long answers.",
        "Likes short answers.",
        "Wants bullet points.",
        "Is a nurse.",
        "أحب القوائم",
        "リストが好き",
    ]
)


@given(st.lists(st.tuples(TEXTS, st.one_of(st.none(), st.integers(0, 900))), max_size=12), st.randoms())
def test_the_order_of_observations_does_not_matter(said: list[tuple[str, int | None]], random: object) -> None:
    observations = [observed(text, day) for text, day in said]
    shuffled = sorted(observations, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert merge(observations) == merge(shuffled)
    assert all(0 <= one.confidence < 1 for one in merge(observations).statements)
    axes = [one.taste.axis for one in merge(observations).statements if one.taste is not None]
    assert len(axes) == len(set(axes)), "no axis is stated twice"


@given(st.lists(st.text(min_size=1, max_size=40), max_size=8), st.integers(0, 120))
def test_the_text_keeps_its_bound_and_cuts_no_statement(texts: list[str], bound: int) -> None:
    persona = Persona(statements=tuple(Statement(text=text) for text in texts))
    found = persona.to_text(max_tokens=bound)
    assert found is None or len(found.encode("utf-8", "replace")) <= bound
    if found is not None:
        rest = found
        for text in texts:
            rest = rest.removeprefix(text).removeprefix(" ") if rest.startswith(text) else rest
        assert rest == "" or any(text in found for text in texts)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="half_life_days"):
        Merging(half_life_days=0)
