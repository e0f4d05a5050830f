"""The conversations of a person: what was said, where it came from, and whether it is private."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from client.vault.database import Database, Row, as_number, as_text, text_bytes
from client.vault.errors import ExcludedError, UnknownError, VaultError
from shared.conversation import ROLES, Conversation, Message

ConversationSource = Literal["chats", "imports"]
CONVERSATION_SOURCES: tuple[ConversationSource, ...] = get_args(ConversationSource)
_MAX_ID_CHARACTERS = 512
_AT_ONCE = 64
_INSERT_MESSAGE = "INSERT INTO messages (conversation, turn, role, content) VALUES (?, ?, ?, CAST(? AS TEXT))"
TRAINABLE = "private = 0 AND source IN (SELECT source FROM consents WHERE granted = 1)"
"""Of a row of `conversations`: whether it may be learned from."""


@dataclass(frozen=True, kw_only=True)
class ConversationFacts:
    """What is known of a conversation besides its text.

    Attributes:
        source: "chats" (here) or "imports".
        format: of the export that it came in; "" for a chat.
        private: excluded from personas and pairs, for good.
        added_at: when it came into the vault, in UTC.
        digest: that an importer gave it; of a chat, by which it is found again (`chats_with`), or "".
    """

    conversation_id: str
    source: ConversationSource
    format: str
    started: datetime | None
    private: bool
    added_at: datetime
    digest: str
    messages: int


class Conversations:
    """The conversations of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Conversations()"

    def __len__(self) -> int:
        return as_number(self._database.execute("SELECT count(*) FROM conversations")[0][0])

    def put(
        self,
        conversation: Conversation,
        *,
        source: ConversationSource,
        format_name: str = "",
        digest: str = "",
        private: bool = False,
    ) -> None:
        """Adds a conversation, or brings one that is known to what it is now.

        Messages that are unchanged from the beginning on stay, with the evidence that points at them; what follows is
        replaced. A conversation that is private stays so.

        Raises:
            ExcludedError: it was forgotten.
            VaultError: see `client.vault.errors`.
        """
        started = None if conversation.started is None else conversation.started.isoformat()
        with self._database.transaction():
            self._check_new(conversation.conversation_id)
            ((number,),) = self._database.execute(
                "INSERT INTO conversations (id, source, format, started, private, added_at, digest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " format = excluded.format, started = excluded.started, digest = excluded.digest RETURNING number",
                conversation.conversation_id, source, format_name, started, int(private), now(), digest,
            )  # fmt: skip
            known = self._messages(as_number(number))
            same = 0
            for old, new in zip(known, conversation.messages, strict=False):
                if old != new:
                    break
                same += 1
            if same < len(known):
                self._database.execute("DELETE FROM messages WHERE conversation = ? AND turn >= ?", number, same)
            self._insert(as_number(number), same, conversation.messages[same:])

    def append(self, conversation_id: str, messages: Sequence[Message]) -> None:
        """Adds what was just said, all or nothing. Raises: UnknownError: there is no such conversation."""
        with self._database.transaction():
            number = self.number(conversation_id)
            ((turns,),) = self._database.execute(
                "SELECT coalesce(max(turn) + 1, 0) FROM messages WHERE conversation = ?", number
            )
            self._insert(number, as_number(turns), messages)

    def together(self) -> AbstractContextManager[None]:
        """What is read and changed in the block is of one moment, all of it or nothing. Raises: VaultError."""
        return self._database.transaction()

    def chats_with(self, digest: str) -> tuple[Conversation, ...]:
        """The newest chats, at most 16, that were put with this digest, the newest first."""
        with self._database.snapshot():
            rows = self._database.execute(
                "SELECT number, id, started FROM conversations WHERE source = 'chats' AND digest = ?"
                " ORDER BY number DESC LIMIT 16",
                digest,
            )
            return tuple(self._load(rows))

    def get(self, conversation_id: str) -> Conversation:
        """One conversation. Raises: UnknownError."""
        with self._database.snapshot():
            found = self._database.execute(
                "SELECT number, id, started FROM conversations WHERE id = ?", conversation_id
            )
            if not found:
                raise UnknownError("there is no such conversation")
            return self._load(found)[0]

    def facts(self, conversation_id: str) -> ConversationFacts:
        """What is known of one. Raises: UnknownError."""
        found = self._facts("WHERE id = ?", conversation_id)
        if not found:
            raise UnknownError("there is no such conversation")
        return found[0]

    def every_facts(self) -> tuple[ConversationFacts, ...]:
        """What is known of each, in the order in which they came."""
        return self._facts("")

    def __iter__(self) -> Iterator[Conversation]:
        """All of them, in the order in which they came, a few in memory at a time."""
        return self._pages("1 = 1")

    def trainable(self) -> Iterator[Conversation]:
        """Those that may be learned from: not private, and their source's use was agreed to."""
        return self._pages(TRAINABLE)

    def forgotten(self, conversation_id: str) -> bool:
        """Whether a conversation of this id was forgotten: it is not taken again."""
        return bool(self._database.execute("SELECT 1 FROM forgotten WHERE id_digest = ?", id_digest(conversation_id)))

    def number(self, conversation_id: str) -> int:
        """The number under which the vault's tables know it. Raises: UnknownError."""
        found = self._database.execute("SELECT number FROM conversations WHERE id = ?", conversation_id)
        if not found:
            raise UnknownError("there is no such conversation")
        return as_number(found[0][0])

    def _check_new(self, conversation_id: str) -> None:
        if len(conversation_id) > _MAX_ID_CHARACTERS:
            raise VaultError(f"a conversation's id has at most {_MAX_ID_CHARACTERS} characters")
        if self.forgotten(conversation_id):
            raise ExcludedError("this conversation was forgotten, so it is not taken again")

    def _insert(self, number: int, first: int, messages: Sequence[Message]) -> None:
        rows = [
            (number, turn, message.role, text_bytes(message.content))
            for turn, message in enumerate(messages, start=first)
        ]
        self._database.execute_many(_INSERT_MESSAGE, rows)

    def _pages(self, condition: str) -> Iterator[Conversation]:
        last = 0
        while True:
            with self._database.snapshot():
                rows = self._database.execute(
                    f"SELECT number, id, started FROM conversations WHERE number > ? AND {condition}"  # noqa: S608
                    f" ORDER BY number LIMIT {_AT_ONCE}",
                    last,
                )
                page = self._load(rows)
            if not rows:
                return
            last = as_number(rows[-1][0])
            yield from page

    def _load(self, rows: Sequence[Row]) -> list[Conversation]:
        return [
            Conversation(
                conversation_id=as_text(name),
                started=None if started is None else datetime.fromisoformat(as_text(started)),
                messages=self._messages(as_number(number)),
            )
            for number, name, started in rows
        ]

    def _messages(self, number: int) -> tuple[Message, ...]:
        rows = self._database.execute("SELECT role, content FROM messages WHERE conversation = ? ORDER BY turn", number)
        return tuple(_message(role, content) for role, content in rows)

    def _facts(self, condition: str, *values: str) -> tuple[ConversationFacts, ...]:
        rows = self._database.execute(
            "SELECT id, source, format, started, private, added_at, digest,"  # noqa: S608
            " (SELECT count(*) FROM messages WHERE conversation = conversations.number)"
            f" FROM conversations {condition} ORDER BY number",
            *values,
        )
        return tuple(
            ConversationFacts(
                conversation_id=as_text(row[0]),
                source="chats" if row[1] == "chats" else "imports",
                format=as_text(row[2]),
                started=None if row[3] is None else datetime.fromisoformat(as_text(row[3])),
                private=bool(row[4]),
                added_at=datetime.fromisoformat(as_text(row[5])),
                digest=as_text(row[6]),
                messages=as_number(row[7]),
            )
            for row in rows
        )


def now() -> str:
    """This moment in UTC, as the vault writes times."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def id_digest(conversation_id: str) -> str:
    """By which a forgotten conversation is recognised."""
    return hashlib.sha256(conversation_id.encode("utf-8", "surrogatepass")).hexdigest()


def message_values(messages: Sequence[Message]) -> list[list[str]]:
    """Messages as JSON has them."""
    return [[message.role, message.content] for message in messages]


def unpack_messages(values: object) -> tuple[Message, ...]:
    """The inverse of `message_values`. Raises: VaultError: it is not such."""
    if isinstance(values, list) and all(isinstance(one, list) and len(one) == 2 for one in values):
        return tuple(_message(role, content) for role, content in values)
    raise VaultError("the vault holds messages that this version cannot read")


def _message(role: object, content: object) -> Message:
    for known in ROLES:
        if role == known and isinstance(content, str):
            return Message(role=known, content=content)
    raise VaultError("the vault holds messages that this version cannot read")
