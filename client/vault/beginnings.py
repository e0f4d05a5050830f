"""How private and forgotten conversations begin: what is sent again by a front end that names none is recognised.

Kept is an HMAC of every beginning, message by message, under a key that never leaves the vault: who has a digest cannot
try texts with it. System messages do not count, nor does white space: front ends change both. A beginning in which the
user says less than 8 characters (a greeting) is no sign of anything and is not kept.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Literal

from client.vault.conversations import Conversations
from client.vault.database import Database, as_text
from client.vault.device_keys import DeviceKeys
from shared.conversation import Message

Exclusion = Literal["private", "forgotten"]
_PURPOSE = "excluded beginnings"
_FEWEST_CHARACTERS = 8
_AT_ONCE = 500


class ExcludedBeginnings:
    """Those of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = DeviceKeys(database)

    def __repr__(self) -> str:
        return "ExcludedBeginnings()"

    def add(self, conversation_id: str, kind: Exclusion) -> None:
        """Recognises a conversation of the vault from now on. Raises: UnknownError: there is no such conversation."""
        with self._database.transaction():
            self._ready()
            self._add(Conversations(self._database).get(conversation_id).messages, kind)

    def kind_of(self, messages: Sequence[Message]) -> Exclusion | None:
        """What these messages go on from; "forgotten" where it is both."""
        with self._database.transaction():
            self._ready()
            digests = list(self._digests(messages))
            found: set[str] = set()
            for first in range(0, len(digests), _AT_ONCE):
                part = digests[first : first + _AT_ONCE]
                rows = self._database.execute(
                    f"SELECT DISTINCT kind FROM excluded_beginnings WHERE digest IN ({', '.join('?' * len(part))})",  # noqa: S608
                    *part,
                )
                found |= {as_text(kind) for (kind,) in rows}
        if "forgotten" in found:
            return "forgotten"
        return "private" if found else None

    def _add(self, messages: Sequence[Message], kind: Exclusion) -> None:
        self._database.execute_many(
            "INSERT INTO excluded_beginnings VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET kind = excluded.kind"
            " WHERE excluded.kind = 'forgotten'",
            [(digest, kind) for digest in self._digests(messages)],
        )

    def _ready(self) -> None:
        """The first time: of conversations that were private before there was this table."""
        if self._database.execute("SELECT 1 FROM device_keys WHERE purpose = ?", _PURPOSE):
            return
        self._keys.key(_PURPOSE)
        conversations = Conversations(self._database)
        for (name,) in self._database.execute("SELECT id FROM conversations WHERE private = 1"):
            self._add(conversations.get(as_text(name)).messages, "private")

    def _digests(self, messages: Sequence[Message]) -> Iterator[str]:
        """Of every beginning that says something, the shortest first."""
        key, chain, said = self._keys.key(_PURPOSE), b"", 0
        for message in messages:
            if message.role == "system":
                continue
            text = " ".join(message.content.split())
            content = f"{message.role}\n{text}".encode("utf-8", "surrogatepass")
            chain = hmac.digest(key, chain + hashlib.sha256(content).digest(), "sha256")
            said += len(text) if message.role == "user" else 0
            if said >= _FEWEST_CHARACTERS:
                yield chain.hex()
