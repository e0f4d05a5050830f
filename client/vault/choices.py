"""Where an export shows that its user preferred one branch of a conversation to another, by reference into it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from client.importers.imported import Branch, BranchChoice
from client.vault.conversations import TRAINABLE, Conversations, message_values, unpack_messages
from client.vault.database import Database, Row, as_number, as_text
from client.vault.errors import VaultError


@dataclass(frozen=True, kw_only=True, repr=False)
class KeptChoice:
    """A choice in the vault.

    Attributes:
        conversation_id: of the conversation that it is in.
        went_on: whether it is known which branch was preferred. Where a conversation ends with a reply that was asked
            for anew, nobody knows yet whether that is the better one.
    """

    number: int
    conversation_id: str
    choice: BranchChoice
    went_on: bool = True

    def __repr__(self) -> str:
        return f"KeptChoice(number={self.number}, {self.choice!r})"


class Choices:
    """The choices of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Choices()"

    def __len__(self) -> int:
        return as_number(self._database.execute("SELECT count(*) FROM choices")[0][0])

    def put(self, conversation_id: str, branches: Sequence[Branch]) -> None:
        """Makes these the choices of a conversation. Those that were there already keep their numbers and pairs.

        Raises:
            UnknownError: there is no such conversation.
            ValueError: a branch lies outside the conversation.
        """
        with self._database.transaction():
            number = Conversations(self._database).number(conversation_id)
            ((turns,),) = self._database.execute("SELECT count(*) FROM messages WHERE conversation = ?", number)
            rows = [_row(branch) for branch in branches]
            if any(at + kept > as_number(turns) for at, kept, _, _ in rows):
                raise ValueError("a branch lies outside its conversation")
            known = {
                (as_number(at), as_number(kept), as_text(kind), as_text(left)): as_number(choice)
                for choice, at, kept, kind, left in self._database.execute(
                    'SELECT number, at, kept, kind, "left" FROM choices WHERE conversation = ?', number
                )
            }
            for row in dict.fromkeys(rows):
                if row not in known:
                    self._database.execute(
                        'INSERT INTO choices (conversation, at, kept, kind, "left") VALUES (?, ?, ?, ?, ?)',
                        number,
                        *row,
                    )
            for row, choice in known.items():
                if row not in rows:
                    self._database.execute("DELETE FROM choices WHERE number = ?", choice)

    def every(self) -> tuple[KeptChoice, ...]:
        """All of them, in the order in which they came."""
        return self._select("1 = 1")

    def of(self, conversation_id: str) -> tuple[KeptChoice, ...]:
        """Those of one conversation. Raises: UnknownError: there is none of that id."""
        return self._select("conversations.number = ?", Conversations(self._database).number(conversation_id))

    def trainable(self) -> tuple[KeptChoice, ...]:
        """Those in conversations that may be learned from."""
        return self._select(TRAINABLE)

    def _select(self, condition: str, *values: int) -> tuple[KeptChoice, ...]:
        with self._database.snapshot():
            rows = self._database.execute(
                'SELECT choices.number, id, at, kept, kind, "left" FROM choices'  # noqa: S608
                f" JOIN conversations ON conversations.number = choices.conversation WHERE {condition}"
                " ORDER BY choices.number",
                *values,
            )
            return tuple(self._kept(row) for row in rows)

    def _kept(self, row: Row) -> KeptChoice:
        conversation = Conversations(self._database).get(as_text(row[1]))
        try:
            left = unpack_messages(json.loads(as_text(row[5])))
        except ValueError:
            raise VaultError("the vault holds a choice that this version cannot read") from None
        branch = Branch(
            at=as_number(row[2]),
            kept=as_number(row[3]),
            left=left,
            kind="edited" if row[4] == "edited" else "regenerated",
        )
        return KeptChoice(
            number=as_number(row[0]),
            conversation_id=conversation.conversation_id,
            choice=branch.choice_in(conversation),
            went_on=branch.kind == "edited" or branch.at + branch.kept < len(conversation.messages),
        )


def _row(branch: Branch) -> tuple[int, int, str, str]:
    return branch.at, branch.kept, branch.kind, json.dumps(message_values(branch.left))
