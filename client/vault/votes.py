"""Blind votes between the tuned model's reply and the base model's: a study that a person runs on their own device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from client.vault.conversations import Conversations, now
from client.vault.database import Database, as_number, as_text

VoteOutcome = Literal["tuned", "base", "tie"]
VOTE_OUTCOMES: tuple[VoteOutcome, ...] = get_args(VoteOutcome)


@dataclass(frozen=True, kw_only=True)
class VoteCounts:
    """How often each reply was the better one."""

    tuned: int = 0
    base: int = 0
    tie: int = 0

    @property
    def win_rate(self) -> float | None:
        """Of the tuned model, a tie being half a win; None without votes."""
        total = self.tuned + self.base + self.tie
        return (self.tuned + self.tie / 2) / total if total else None


class Votes:
    """The votes of one vault's user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Votes()"

    def add(
        self,
        conversation_id: str,
        *,
        turn: int,
        tuned_first: bool,
        outcome: VoteOutcome,
        pair: int | None = None,
    ) -> None:
        """Records a vote.

        Args:
            turn: place of the request that both replies answer.
            tuned_first: in which order they were shown.
            pair: number of the pair that was made of it.

        Raises:
            UnknownError: there is no such conversation.
            VaultError: there is no such pair.
        """
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO votes (conversation, turn, tuned_first, outcome, voted_at, pair)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                Conversations(self._database).number(conversation_id), turn, int(tuned_first), outcome, now(), pair,
            )  # fmt: skip

    def rows(self) -> list[dict[str, object]]:
        """Each vote as JSON has it, in the order in which they were cast."""
        names = ("conversation_id", "turn", "tuned_first", "outcome", "voted_at")
        found = self._database.execute(
            "SELECT id, turn, tuned_first, outcome, voted_at FROM votes"
            " JOIN conversations ON conversations.number = conversation ORDER BY votes.number"
        )
        return [{**dict(zip(names, row, strict=True)), "tuned_first": bool(row[2])} for row in found]

    def counts(self) -> VoteCounts:
        """Of all votes whose conversations are still there."""
        found = {
            as_text(outcome): as_number(count)
            for outcome, count in self._database.execute("SELECT outcome, count(*) FROM votes GROUP BY outcome")
        }
        return VoteCounts(tuned=found.get("tuned", 0), base=found.get("base", 0), tie=found.get("tie", 0))
