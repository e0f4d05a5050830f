"""Rewrites made by life: which logged events give a pair, which do not, and that every reply is accounted for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conversation import Message
from shared.preference_files import PreferenceFileError
from simulations.population.realhumaneval import (
    CONVERSATIONS_FILE,
    LoggedMessage,
    is_same_code,
    life_rewrites,
    load_realhumaneval,
    read_conversations,
)

PRIVATE = "zebra-quartz-7781"
REAL = Path(__file__).parents[4] / "shared" / "data" / "realhumaneval_chat"

FIRST = "Sure:\n```python\ndef digits(n):\n    return str(n)\n```"
AGAIN = "Sorry:\n```python\ndef digits(n):\n    return [int(d) for d in str(abs(n))]\n```"
OTHER = "Here:\n```python\nframe.drop(columns=['a'])\nprint(frame)\n```"
TALK = "You could use a loop."


def conversation(*turns: str) -> tuple[LoggedMessage, ...]:
    """Turns as written: "U" a user message, "R1"/"R2"/"RO"/"RT" a reply, with * if it was copied."""
    replies = {"R1": FIRST, "R2": AGAIN, "RO": OTHER, "RT": TALK}
    logged = []
    for place, turn in enumerate(turns):
        if turn == "U":
            logged.append(LoggedMessage(message=Message(role="user", content=f"ask {place}"), copied=False))
        else:
            message = Message(role="assistant", content=replies[turn.rstrip("*")])
            logged.append(LoggedMessage(message=message, copied=turn.endswith("*")))
    return tuple(logged)


def outcomes(messages: Sequence[LoggedMessage]) -> list[str]:
    return [outcome for outcome, _ in life_rewrites(messages)]


def test_a_reply_redone_after_a_follow_up_loses_to_the_copied_one() -> None:
    messages = conversation("U", "RT", "U", "R1", "U", "R2*", "U", "RO")
    pairs = [pair for _, pair in life_rewrites(messages) if pair is not None]
    assert len(pairs) == 1
    (pair,) = pairs
    assert pair.prompt == tuple(logged.message for logged in messages[:3])
    assert (pair.rejected[0].content, pair.chosen[0].content) == (FIRST, AGAIN)
    assert pair.origin == "rewrite"
    assert outcomes(messages) == [
        "one of the replies holds no code",
        "paired",
        "the reply was copied itself",
        "the user wrote nothing after it",
    ]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (("U", "R1*", "U", "R2*"), ["the reply was copied itself"] * 2),
        (("U", "R1", "U", "R2"), ["no later reply was copied", "the user wrote nothing after it"]),
        (("U", "R1", "U", "RO*"), ["the later reply is about other code", "the reply was copied itself"]),
        (("U", "R1", "U", "R1*"), ["the replies are identical", "the reply was copied itself"]),
        (
            ("U", "R1", "U", "RO*", "U", "R2*"),  # only the next copied reply counts
            ["the later reply is about other code", "the reply was copied itself", "the reply was copied itself"],
        ),
        (
            ("U", "R1", "U", "RT", "U", "R2*"),
            ["paired", "one of the replies holds no code", "the reply was copied itself"],
        ),
        (("U", "U", "R1", "U", "R2*"), ["two messages of the user in a row before it", "the reply was copied itself"]),
        (("U", "R1", "U", "U", "R2*"), ["paired", "the reply was copied itself"]),
        (("R1", "U", "R2*"), ["the conversation does not start with the user", "the reply was copied itself"]),
        (("U", "R1", "R2*"), ["the user wrote nothing after it", "the reply was copied itself"]),
    ],
)
def test_every_reply_has_one_outcome(turns: tuple[str, ...], expected: list[str]) -> None:
    assert outcomes(conversation(*turns)) == expected


@given(st.lists(st.sampled_from(["U", "R1", "R1*", "R2", "R2*", "RO", "RO*", "RT", "RT*"]), max_size=10))
def test_pairs_obey_the_rules_in_any_conversation(turns: list[str]) -> None:
    messages = conversation(*turns)
    found = list(life_rewrites(messages))
    assert len(found) == sum(logged.message.role == "assistant" for logged in messages)
    for outcome, pair in found:
        assert (pair is None) == (outcome != "paired")
        if pair is not None:
            assert {pair.chosen[0].content, pair.rejected[0].content} == {FIRST, AGAIN}
            assert not messages[len(pair.prompt)].copied
            assert any(logged.copied and logged.message == pair.chosen[0] for logged in messages[len(pair.prompt) :])
            assert [m.role for m in pair.prompt] == ["user", "assistant"] * (len(pair.prompt) // 2) + ["user"]


def test_same_code_is_told_by_definitions_or_by_half_the_lines() -> None:
    assert is_same_code("def f(x):\n  a", "class f:\n  b")
    assert not is_same_code("def __init__(self):\n  aaaa\n  bbbb", "def __init__(self):\n  cccc\n  dddd")
    assert not is_same_code("def main():\n  aaaa\n  bbbb", "def main():\n  cccc\n  dddd")
    assert is_same_code("line one\nline two", "line one\nline 3\nline 4\nline 5")
    assert not is_same_code("line one\nline two\nline 6", "line one\nline 3\nline 4\nline 5")
    assert not is_same_code("import numpy as np\nvalue = 1", "import numpy as np\nother = 2")
    assert not is_same_code("", "")


def record(**changes: object) -> dict[str, object]:
    return {
        "user_id": "rhe_1",
        "conversation_id": "rhe_1_0",
        "conversation_index": 0,
        "model": "GPT-4o (chat)",
        "task_name": "count_nums",
        "start_t": 0.5,
        "n_user_turns": 2,
        "messages": [
            {"role": "user", "content": PRIVATE},
            {"role": "assistant", "content": FIRST, "t": 3.5, "copied": []},
            {"role": "user", "content": "again"},
            {"role": "assistant", "content": AGAIN, "t": 9, "copied": ["copy_chat", "copy_button"]},
        ],
        **changes,
    }


def write(directory: Path, *records: dict[str, object]) -> Path:
    content = "".join(json.dumps(entry) + "\n" for entry in records)
    (directory / CONVERSATIONS_FILE).write_bytes(gzip.compress(content.encode()))
    return directory


def test_programmers_without_a_rewrite_stay_devices(tmp_path: Path) -> None:
    plain = [{"role": "assistant", "content": "left over"}]
    write(tmp_path, record(), record(user_id="rhe_2", messages=plain), record(task_name="is_bored"))
    population = load_realhumaneval(tmp_path)
    assert population.user_ids == ("rhe_1", "rhe_2")
    assert [len(pairs) for pairs in population.devices] == [2, 0]
    assert population.groups() == ("task count_nums", "task is_bored")
    assert population.read["replies"] == len(population.recorded_pairs()) + sum(population.left_out.values())
    assert PRIVATE not in repr(population)
    assert PRIVATE not in repr(read_conversations(tmp_path))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"extra": 1}, "extra"),
        ({"user_id": 3}, "user_id"),
        ({"start_t": "0"}, "start_t"),
        ({"conversation_index": -1}, "conversation_index"),
        ({"messages": []}, "messages"),
        ({"messages": [PRIVATE]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": PRIVATE, "copied": []}]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": PRIVATE}]}, "messages[0].role"),
        ({"messages": [{"role": "assistant", "content": PRIVATE, "copied": [PRIVATE]}]}, "messages[0].copied"),
        ({"messages": [{"role": "assistant", "content": PRIVATE, "copied": [[PRIVATE]]}]}, "messages[0].copied"),
        ({"messages": [{"role": "assistant", "content": PRIVATE, "copied": "copy_chat"}]}, "messages[0].copied"),
        ({"messages": [{"role": "assistant", "content": PRIVATE, "t": True}]}, "messages[0].t"),
    ],
)
def test_a_malformed_conversation_is_named_by_line_and_field(
    tmp_path: Path, changes: dict[str, object], field: str
) -> None:
    write(tmp_path, record(), record(**changes))
    with pytest.raises(PreferenceFileError) as caught:
        load_realhumaneval(tmp_path)
    (error,) = caught.value.errors
    assert (error.line, error.field) == (2, field)
    assert PRIVATE not in str(caught.value)


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/realhumaneval_chat is not here")
def test_the_real_logs_are_all_accounted_for() -> None:
    population = load_realhumaneval(REAL)
    assert (len(population), len(population.groups()), len(population.recorded_pairs())) == (81, 9, 25)
    assert population.load_report().users_without_pairs == 66
    assert dict(population.read) == {"conversations": 318, "replies": 822, "replies copied": 282}
    assert dict(population.left_out) == {
        "the reply was copied itself": 282,
        "the user wrote nothing after it": 202,
        "no later reply was copied": 198,
        "the later reply is about other code": 68,
        "one of the replies holds no code": 43,
        "two messages of the user in a row before it": 4,
    }
    assert population.read["replies"] == 25 + sum(population.left_out.values())
