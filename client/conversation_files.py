"""A user's own conversations as JSON lines, one a line:

    {"conversation_id": "c1", "started": "2026-03-01T09:30:00+01:00",
     "messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}, ...]}

`started` may be left out; recency then counts the conversation as old. Importers for what other assistants export give
the same values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from shared.conversation import Conversation
from shared.preference_files import MAX_ERRORS_LISTED, PreferenceFileError, read_lines
from shared.preference_lines import JsonLine, PreferenceLineError, parse_json_line
from shared.private_files import write_private

_REQUIRED, _OPTIONAL = ("conversation_id", "messages"), ("started",)


def read_conversations(path: Path) -> tuple[Conversation, ...]:
    """Every conversation of a file, in order.

    Raises:
        PreferenceFileError: a malformed line, by file, line and field; an id that stands twice.
        OSError: the file cannot be read.
    """
    numbered = read_lines(
        path, lambda text, number: (number, _parse(parse_json_line(text, file=str(path), line=number)))
    )
    seen: set[str] = set()
    twice = []
    for number, conversation in numbered:
        if conversation.conversation_id in seen:
            twice.append(
                PreferenceLineError(
                    file=str(path), line=number, field="conversation_id", reason="stands in an earlier line too"
                )
            )
        seen.add(conversation.conversation_id)
    if twice:
        raise PreferenceFileError(tuple(twice[:MAX_ERRORS_LISTED]), len(twice))
    return tuple(conversation for _, conversation in numbered)


def write_conversations(path: Path, conversations: Sequence[Conversation]) -> None:
    """Writes a file that only its owner may read, whole or not at all. Raises: OSError."""
    rows = []
    for one in conversations:
        row: dict[str, object] = {"conversation_id": one.conversation_id}
        if one.started is not None:
            row["started"] = one.started.isoformat()
        row["messages"] = [{"role": message.role, "content": message.content} for message in one.messages]
        rows.append(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
    write_private(path, rows)


def _parse(line: JsonLine) -> Conversation:
    line.check_keys(required=_REQUIRED, optional=_OPTIONAL)
    started = None
    if "started" in line.values:
        try:
            started = datetime.fromisoformat(line.text("started"))
        except ValueError:
            started = None
        if started is None or started.utcoffset() is None:
            line.refuse("started", "must be an ISO 8601 time with its offset, as in 2026-03-01T09:30:00+01:00")
    return Conversation(
        conversation_id=line.identifier("conversation_id"), messages=line.messages("messages"), started=started
    )
