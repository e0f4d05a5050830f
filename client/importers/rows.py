"""Rows of WildChat and of LMSYS-Chat-1M, as JSON lines or as the Parquet files that are published.

Both have `conversation`, a list of {"role", "content"}. WildChat's rows have `conversation_hash` and times, in UTC
where they name no zone, as its card says; LMSYS's have `conversation_id` and none. The conversation is all that is
read: who wrote it is not asked (`simulations.population.wildchat` asks, to simulate people).
"""

from __future__ import annotations

from client.importers.imported import (
    FormatName,
    ImportedConversation,
    ImportFormat,
    Record,
    SkippedMessage,
    flat_conversation,
    refuse,
    said,
)
from client.importers.record_fields import earliest, items, mapping, moment, spoken
from shared.conversation import Message


def parse_wildchat(record: Record) -> ImportedConversation:
    """A conversation. It began when its first reply was complete, else at the row's time, when the last one was.

    Raises:
        MalformedConversationError: it is none.
    """
    return _parse("wildchat", "conversation_hash", record)


def parse_lmsys(record: Record) -> ImportedConversation:
    """A conversation. Raises: MalformedConversationError."""
    return _parse("lmsys", "conversation_id", record)


def _parse(name: FormatName, id_key: str, record: Record) -> ImportedConversation:
    turns = items(record.get("conversation"))
    if not turns:
        refuse("without its messages")
    started = earliest((turn.get("timestamp") for turn in map(mapping, turns) if turn is not None), naive_is_utc=True)
    return flat_conversation(
        name,
        record.get(id_key),
        started or moment(record.get("timestamp"), naive_is_utc=True),
        map(said_in_chat, turns),
    )


def said_in_chat(value: object) -> Message | SkippedMessage:
    """What a {"role", "content"} says, as chat APIs have it."""
    turn = mapping(value)
    found = None if turn is None else spoken(turn.get("content"))
    if turn is None or found is None:
        return "not a message"
    if not found.strip() and items(turn.get("content")):
        return "an image, sound or file without text"
    role = turn.get("role")
    return said(role if isinstance(role, str) else None, found)


WILDCHAT = ImportFormat(
    name="wildchat",
    told_by="WildChat rows (`conversation` and `conversation_hash`)",
    recognises=lambda record: "conversation" in record and "conversation_hash" in record,
    parse=parse_wildchat,
    columns=("conversation_hash", "conversation", "timestamp"),
)
LMSYS = ImportFormat(
    name="lmsys",
    told_by="LMSYS-Chat-1M rows (`conversation` and `conversation_id`)",
    recognises=lambda record: "conversation" in record and "conversation_id" in record,
    parse=parse_lmsys,
    columns=("conversation_id", "conversation", "timestamp"),
)
