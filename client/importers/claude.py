"""Claude's data export: `conversations.json`, as it is or in the export's .zip.

A file is a JSON array of conversations:

    {"uuid", "name", "created_at", "chat_messages": [
        {"sender": "human" or "assistant", "text", "content": [{"type": "text", "text"}, ...], "created_at"}]}

with times in ISO 8601. Where `content` has blocks of text, they are the message: `text` repeats them among remarks on
blocks that could not be shown. Thoughts, calls of tools and attachments are left out.
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
from client.importers.record_fields import earliest, items, mapping, moment, spoken, text
from shared.conversation import Message

_ROLES = {"human": "user", "assistant": "assistant"}


def parse(record: Record) -> ImportedConversation:
    """A conversation. Raises: MalformedConversationError."""
    turns = items(record.get("chat_messages"))
    if not turns:
        refuse("without its messages")
    started = moment(record.get("created_at"))
    return flat_conversation(
        "claude",
        record.get("uuid"),
        started or earliest(turn.get("created_at") for turn in map(mapping, turns) if turn is not None),
        map(_said, turns),
    )


def _said(value: object) -> Message | SkippedMessage:
    turn = mapping(value)
    if turn is None:
        return "not a message"
    sender = turn.get("sender")
    role = _ROLES.get(sender) if isinstance(sender, str) else None
    blocks = items(turn.get("content"))
    if blocks is not None and any((mapping(block) or {}).get("type") == "text" for block in blocks):
        return said(role, spoken(blocks) or "")
    if blocks and not text(turn.get("text")).strip():
        return "thoughts, code or other content that is not said"
    if (turn.get("attachments") or turn.get("files")) and not text(turn.get("text")).strip():
        return "an image, sound or file without text"
    return said(role, text(turn.get("text")))


FORMAT = ImportFormat(
    name="claude",
    told_by="Claude's conversations.json (an object with `chat_messages`)",
    recognises=lambda record: "chat_messages" in record,
    parse=parse,
)
