"""ShareGPT's rows, as a JSON array or JSON lines:

    {"id", "conversations": [{"from": "human", "gpt" or "system", "value"}, ...]}

They hold no times. A row without an id is known by its messages.
"""

from __future__ import annotations

from client.importers.imported import (
    ImportedConversation,
    ImportFormat,
    Record,
    SkippedMessage,
    flat_conversation,
    refuse,
    said,
)
from client.importers.record_fields import items, mapping, text
from shared.conversation import Message

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}


def parse(record: Record) -> ImportedConversation:
    """A conversation. Raises: MalformedConversationError."""
    turns = items(record.get("conversations"))
    if not turns:
        refuse("without its messages")
    return flat_conversation("sharegpt", record.get("id"), None, map(_said, turns))


def _said(value: object) -> Message | SkippedMessage:
    turn = mapping(value)
    if turn is None or not isinstance(turn.get("value"), str):
        return "not a message"
    speaker = turn.get("from")
    return said(_ROLES.get(speaker) if isinstance(speaker, str) else None, text(turn["value"]))


FORMAT = ImportFormat(
    name="sharegpt",
    told_by="ShareGPT rows (an object with a list `conversations`)",
    recognises=lambda record: isinstance(record.get("conversations"), list),
    parse=parse,
)
