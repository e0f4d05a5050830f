"""Plain conversations as JSON lines, as training data and chat APIs have them:

    {"messages": [{"role", "content"}, ...], "id": optional, "timestamp": optional}

The id may also be called `conversation_id`, and the time `started` or `created_at`; a time that names no zone is none.
"""

from __future__ import annotations

from client.importers.imported import ImportedConversation, ImportFormat, Record, flat_conversation, refuse
from client.importers.record_fields import items, moment
from client.importers.rows import said_in_chat


def parse(record: Record) -> ImportedConversation:
    """A conversation. Raises: MalformedConversationError."""
    turns = items(record.get("messages"))
    if not turns:
        refuse("without its messages")
    times = (moment(record.get(key)) for key in ("timestamp", "started", "created_at"))
    return flat_conversation(
        "messages",
        record.get("id") or record.get("conversation_id"),
        next((time for time in times if time is not None), None),
        map(said_in_chat, turns),
    )


FORMAT = ImportFormat(
    name="messages",
    told_by='lines of {"messages": [{"role", "content"}, ...]}',
    recognises=lambda record: isinstance(record.get("messages"), list),
    parse=parse,
)
