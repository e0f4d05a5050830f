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

MAX_LINE_BYTES = 128 * 2**20  # an imported conversation may be long

_REQUIRED, _OPTIONAL = ("conversation_id", "messages"), ("started",)


def read_conversations(path: Path) -> tuple[Conversation, ...]:
    """Every conversation of a file, in order.

    Raises:
        PreferenceFileError: a malformed line, by file, line and field; an id that stands twice.
        OSError: the file cannot be read.
    """
    numbered = read_lines(
        path,
        lambda text, number: (number, parse_conversation(parse_json_line(text, file=str(path), line=number))),
        max_line_bytes=MAX_LINE_BYTES,
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
    write_private(path, (format_conversation(one) for one in conversations))


def format_conversation(conversation: Conversation) -> bytes:
    """The line, with its newline, that `parse_conversation` reads back to an equal value."""
    row: dict[str, object] = {"conversation_id": conversation.conversation_id}
    if conversation.started is not None:
        row["started"] = conversation.started.isoformat()
    row["messages"] = [{"role": message.role, "content": message.content} for message in conversation.messages]
    return json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n"


def parse_conversation(line: JsonLine) -> Conversation:
    """A line's conversation. Raises: PreferenceLineError."""
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
