"""Anyone's pairs: a device a user, a group a question, and no line lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.conversation import Message, PreferencePair
from shared.preference_files import PreferenceFileError, write_preference_lines
from shared.preference_lines import PreferenceLine
from simulations.population.preference_jsonl import load_preference_jsonl

PRIVATE = "zebra-quartz-7781"


def line(user: str, prompt: str, question: str | None = None, reply: str = "yes") -> PreferenceLine:
    pair = PreferencePair(
        prompt=(Message(role="user", content=prompt),),
        chosen=(Message(role="assistant", content=reply),),
        rejected=(Message(role="assistant", content="no"),),
        persona="likes brevity",
        origin="vote",
    )
    return PreferenceLine(pair=pair, user_id=user, question_id=question)


def test_every_line_reaches_its_users_device(tmp_path: Path) -> None:
    lines = [line("u2", "a", "7"), line("u1", PRIVATE), line("u2", PRIVATE, reply="ok"), line("u1", "b")]
    path = tmp_path / "pairs.jsonl"
    write_preference_lines(path, lines)
    population = load_preference_jsonl(path)
    assert population.user_ids == ("u1", "u2")
    assert [pair for index in range(2) for pair in population.pairs(index)] == [
        lines[1].pair,
        lines[3].pair,
        lines[0].pair,
        lines[2].pair,
    ]
    groups = [entry.group for entry in population.recorded_pairs()]
    assert groups[2] == "question 7"
    assert groups[0] == groups[3] != groups[1]
    assert PRIVATE not in "".join(groups)


def test_malformed_and_empty_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"user_id": "u", "promt": "x"}\n\nnot json\n')
    with pytest.raises(PreferenceFileError) as caught:
        load_preference_jsonl(path)
    assert [(error.line, error.field) for error in caught.value.errors] == [(1, "promt"), (3, "line")]
    path.write_text("\n")
    with pytest.raises(PreferenceFileError, match="no pairs"):
        load_preference_jsonl(path)
