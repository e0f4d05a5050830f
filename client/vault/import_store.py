"""The vault as the store that importers write to (`client.importers.importing.ConversationStore`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from client.importers.imported import FORMAT_NAMES, Branch
from client.vault.choices import Choices
from client.vault.conversations import Conversations, message_values
from client.vault.database import Database, as_number, as_text
from shared.conversation import Conversation

if TYPE_CHECKING:
    from client.importers.importing import Put


class VaultStore:
    """Takes an import in one transaction. Others read the vault meanwhile, and write to it afterwards."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "VaultStore()"

    @contextmanager
    def importing(self) -> Iterator[VaultImport]:
        """A transaction: kept when the block ends, given up when it raises or is killed. Raises: VaultError."""
        with self._database.transaction():
            yield VaultImport(self._database)


class VaultImport:
    """An import that is going on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._conversations = Conversations(database)
        self._choices = Choices(database)

    def put(self, conversation: Conversation, branches: Sequence[Branch]) -> Put:
        """Keeps a conversation and its choices under its id (`ImportTransaction.put`).

        A conversation that was forgotten is not taken again: "unchanged". One that is private stays so.
        """
        name = conversation.conversation_id
        if self._conversations.forgotten(name):
            return "unchanged"
        digest = _digest(conversation, branches)
        known = self._database.execute(
            "SELECT digest, (SELECT count(*) FROM messages WHERE conversation = conversations.number)"
            " FROM conversations WHERE id = ?",
            name,
        )
        if known and as_text(known[0][0]) == digest:
            return "unchanged"
        if known and as_number(known[0][1]) > len(conversation.messages):
            return "shorter"
        prefix = name.partition(":")[0]
        self._conversations.put(
            conversation,
            source="imports",
            format_name=prefix if prefix in FORMAT_NAMES else "",
            digest=digest,
        )
        self._choices.put(name, branches)
        return "updated" if known else "added"


def _digest(conversation: Conversation, branches: Sequence[Branch]) -> str:
    started = None if conversation.started is None else conversation.started.isoformat()
    choices = [[one.at, one.kept, one.kind, message_values(one.left)] for one in branches]
    said = json.dumps([started, message_values(conversation.messages), choices])
    return hashlib.sha256(said.encode("ascii")).hexdigest()
