"""A user's conversations as a file: what is read, and what is refused by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from client.conversation_files import read_conversations, write_conversations
from shared.preference_files import PreferenceFileError

SAID = [{"role": "user", "content": "Wie geht Brot auf? パンは？ كيف"}, {"role": "assistant", "content": "Hefe."}]
GOOD = {"conversation_id": "c1", "started": "2026-03-01T09:30:00+01:00", "messages": SAID}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_conversations_are_read_in_order_in_any_script(tmp_path: Path) -> None:
    file = write(tmp_path / "c.jsonl", GOOD, {"conversation_id": 7, "messages": SAID})

    first, second = read_conversations(file)

    assert first.started == datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    assert first.started.utcoffset() == timezone(timedelta(hours=1)).utcoffset(None)
    assert [message.content for message in first.messages] == [entry["content"] for entry in SAID]
    assert (second.conversation_id, second.started) == ("7", None)
    assert "Brot" not in repr(first)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({**GOOD, "started": "2026-03-01T09:30:00"}, "started"),
        ({**GOOD, "started": "yesterday"}, "started"),
        ({**GOOD, "messages": []}, "messages"),
        ({**GOOD, "messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": SAID}, "conversation_id"),
        ({**GOOD, "mood": "secret"}, "mood"),
    ],
)
def test_a_malformed_line_is_named_and_not_quoted(tmp_path: Path, row: object, field: str) -> None:
    file = write(tmp_path / "c.jsonl", {**GOOD, "conversation_id": "c0"}, row)

    with pytest.raises(PreferenceFileError) as raised:
        read_conversations(file)

    assert "line 2" in str(raised.value)
    assert field in str(raised.value)
    assert "Brot" not in str(raised.value)
    assert "yesterday" not in str(raised.value)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    read = read_conversations(write(tmp_path / "c.jsonl", GOOD, {"conversation_id": 7, "messages": SAID}))
    write_conversations(tmp_path / "again.jsonl", read)
    assert read_conversations(tmp_path / "again.jsonl") == read
    assert (tmp_path / "again.jsonl").stat().st_mode & 0o077 == 0


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreferenceFileError, match="line 2"):
        read_conversations(write(tmp_path / "c.jsonl", GOOD, GOOD))
