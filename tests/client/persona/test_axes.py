"""Statements to tastes: poles, negations, and statements that are about something else."""

from __future__ import annotations

import pytest

from client.persona.axes import read_taste
from simulations.population.embedded.personas import HELD_OUT_WORDINGS, WORDINGS


@pytest.mark.parametrize(
    ("statement", "axis", "pole"),
    [
        ("Does not want jargon.", "expertise", "plain"),
        ("Hates long-winded answers.", "informativeness", "concise"),
        ("Wants bullet points, not paragraphs.", "structure", "list"),
        ("Prefers paragraphs to lists.", "structure", "prose"),
        ("Prefers answers structured with headings.", "structure", "list"),
        ("Is put off by stiff talk.", "tone", "friendly"),
        ("Never minds a long reply.", "informativeness", "detailed"),
    ],
)
def test_a_taste_is_read_with_its_negation(statement: str, axis: str, pole: str) -> None:
    found = read_taste(statement)
    assert found is not None
    assert (found.axis.value, found.pole) == (axis, pole)


@pytest.mark.parametrize("statement", ["", "Enjoys gardening.", "Is a nurse.", "短い答えが好き。", "يحب القوائم."])
def test_what_is_no_known_taste_is_an_open_preference(statement: str) -> None:
    assert read_taste(statement) is None


def test_the_worlds_wordings_are_read_as_they_are_meant() -> None:
    meant = [
        (axis, pole, text)
        for table in (WORDINGS, HELD_OUT_WORDINGS)
        for (axis, pole), row in table.items()
        for text in row
    ]
    for axis, pole, text in meant:
        found = read_taste(text)
        assert found is not None, text
        assert (found.axis.value, found.pole) == (axis, pole), text
