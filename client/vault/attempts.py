"""Requests that a pair was tried for, with what came of it, so that no request is put to a model again for nothing."""

from __future__ import annotations

from collections import Counter

from client.history_places import Tried
from client.vault.conversations import Conversations
from client.vault.database import Database, as_number, as_text
from client.vault.errors import UnknownError


class Attempts:
    """The attempts of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Attempts()"

    def add(self, tried: Tried, outcome: str) -> None:
        """Notes an attempt. Its request may be gone meanwhile.

        Args:
            outcome: one of a fixed list: "made", or why not (`client.filtering.Reason`).
        """
        conversation_id, turn, followed = tried
        try:
            number = Conversations(self._database).number(conversation_id)
        except UnknownError:
            return
        self._database.execute(
            "INSERT OR REPLACE INTO attempts (conversation, turn, followed, outcome)"
            " SELECT conversation, turn, ?, ? FROM messages WHERE conversation = ? AND turn = ?",
            followed, outcome, number, turn,
        )  # fmt: skip

    def every(self) -> frozenset[Tried]:
        """All that were made."""
        rows = self._database.execute(
            "SELECT id, turn, followed FROM attempts JOIN conversations ON conversations.number = conversation"
        )
        return frozenset((as_text(name), as_number(turn), as_number(followed)) for name, turn, followed in rows)

    def outcomes(self) -> Counter[str]:
        """Outcome → how many."""
        rows = self._database.execute("SELECT outcome, count(*) FROM attempts GROUP BY outcome")
        return Counter({as_text(outcome): as_number(count) for outcome, count in rows})
