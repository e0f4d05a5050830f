"""Preference pairs, each with what it came from, so that whatever is forgotten takes its pairs along."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, get_args

from client.persona.statements import Statement
from client.vault.conversations import TRAINABLE, message_values, now, unpack_messages
from client.vault.database import Database, Row, Value, as_number, as_text, text_bytes
from client.vault.errors import ExcludedError, UnknownError, VaultError
from client.vault.learned import throw_away_if
from shared.conversation import ORIGINS, Message, PreferencePair

PairState = Literal["waiting", "used", "dropped", "corrected"]
PAIR_STATES: tuple[PairState, ...] = get_args(PairState)
_USABLE = f"""
    state <> 'dropped'
    AND (origin <> 'vote' OR EXISTS (SELECT 1 FROM consents WHERE source = 'votes' AND granted = 1))
    AND NOT EXISTS (
        SELECT 1 FROM pair_conversations JOIN conversations ON conversations.number = conversation
        WHERE pair = pairs.number AND NOT ({TRAINABLE})
    )
"""  # noqa: S608 - constants

_USABLE_PART = f"""
    NOT EXISTS (
        SELECT 1 FROM part_evidence JOIN conversations ON conversations.number = conversation
        WHERE part = persona_parts.number AND NOT ({TRAINABLE})
    )
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True, repr=False)
class KeptPair:
    """A pair in the vault.

    Attributes:
        number: by which it is named.
        state: "waiting" for its first use; "used" in at least one round; "corrected" by the user and waiting again;
            "dropped" by the user, and never used.
        conversation_ids: what it came from, at least one.
        choices: numbers of the choices in exports that it came from.
    """

    number: int
    pair: PreferencePair
    state: PairState
    made_at: datetime
    conversation_ids: tuple[str, ...]
    choices: tuple[int, ...]

    def __repr__(self) -> str:
        return f"KeptPair(number={self.number}, state={self.state!r}, {self.pair!r})"


class Pairs:
    """The pairs of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Pairs()"

    def __len__(self) -> int:
        return as_number(self._database.execute("SELECT count(*) FROM pairs")[0][0])

    def add(
        self,
        pair: PreferencePair,
        *,
        conversation_ids: Sequence[str],
        choices: Sequence[int] = (),
        persona: Sequence[Statement] = (),
    ) -> int:
        """Keeps a pair, waiting; its number.

        Args:
            conversation_ids: every conversation that it was made from: at least one, or forgetting would not find it.
            choices: the choices in exports that it was made from.
            persona: statements of which those that `pair.persona` consists of are found, in this order, so that
                forgetting a conversation takes out what it gave to the persona.

        Raises:
            ExcludedError: a conversation, or one that a statement rests on, is private or is not there (any more).
            ValueError: no conversation is named, or the persona is not made of the statements.
        """
        parts = _parts(pair.persona, persona)
        if not conversation_ids:
            raise ValueError("a pair must name a conversation that it came from")
        with self._database.transaction():
            ((found,),) = self._database.execute(
                "INSERT INTO pairs (origin, body, made_at) VALUES (?, ?, ?) RETURNING number",
                pair.origin, _pack(pair), now(),
            )  # fmt: skip
            number = as_number(found)
            sources = {self._usable(name) for name in conversation_ids}
            for choice in dict.fromkeys(choices):
                row = self._database.execute(
                    "SELECT id FROM conversations JOIN choices ON choices.conversation = conversations.number"
                    " WHERE choices.number = ?",
                    choice,
                )
                if not row:
                    raise ExcludedError("a choice that the pair came from is not in the vault")
                sources.add(self._usable(as_text(row[0][0])))
                self._database.execute("INSERT INTO pair_choices VALUES (?, ?)", number, choice)
            self._database.execute_many(
                "INSERT INTO pair_conversations VALUES (?, ?)", [(number, one) for one in sources]
            )
            for part in parts:
                self._add_part(number, part)
        return number

    def get(self, number: int) -> KeptPair:
        """One pair. Raises: UnknownError."""
        found = self._select("WHERE number = ?", number)
        if not found:
            raise UnknownError(f"there is no pair {number}")
        return found[0]

    def every(self, *states: PairState) -> tuple[KeptPair, ...]:
        """Those in these states, in the order in which they were made; without states, all."""
        wanted = states or PAIR_STATES
        return self._select(f"WHERE state IN ({', '.join('?' * len(wanted))})", *wanted)

    def trainable(self) -> tuple[KeptPair, ...]:
        """Those that may be trained on now: not dropped, nothing private in them, and every source's use agreed to.

        Statements of a persona that rest on a source whose use was not agreed to are left out of it.
        """
        return self._select(f"WHERE {_USABLE}", parts=f"AND {_USABLE_PART}")

    def take(self) -> tuple[KeptPair, ...]:
        """Those that may be trained on now; they count as used, and as trained on, from now on.

        One transaction: what is forgotten after it finds them so.
        """
        with self._database.transaction():
            found = self.trainable()
            self.mark_used(one.number for one in found)
            return found

    def mark_used(self, numbers: Iterable[int]) -> None:
        """Says that pairs were trained on. Those that are gone or dropped meanwhile are passed over."""
        self._database.execute_many(
            "UPDATE pairs SET state = 'used', trained = 1 WHERE number = ? AND state <> 'dropped'",
            [(one,) for one in numbers],
        )

    def drop(self, number: int) -> bool:
        """Never uses a pair (again); whether it was trained on, and what was trained here is thrown away.

        Raises:
            UnknownError: there is no such pair.
        """
        with self._database.transaction():
            self._set(number, "state = 'dropped'")
            return throw_away_if(self._database, "number = ?", number)

    def correct(self, number: int, *, chosen: tuple[Message, ...]) -> bool:
        """Replaces what should have been said; the old text is overwritten. Whether it was trained on, as `drop`.

        Raises:
            UnknownError: there is no such pair.
            InvalidConversationError: it would be no pair.
        """
        with self._database.transaction():
            pair = replace(self.get(number).pair, chosen=chosen)
            self._set(number, "state = 'corrected', body = ?", _pack(pair))
            return throw_away_if(self._database, "number = ?", number)

    def _set(self, number: int, assignment: str, *values: Value) -> None:
        if not self._database.execute(
            f"UPDATE pairs SET {assignment} WHERE number = ? RETURNING number",  # noqa: S608
            *values,
            number,
        ):
            raise UnknownError(f"there is no pair {number}")

    def _usable(self, conversation_id: str) -> int:
        found = self._database.execute("SELECT number FROM conversations WHERE id = ? AND private = 0", conversation_id)
        if not found:
            raise ExcludedError("a conversation that the pair rests on is private or not in the vault")
        return as_number(found[0][0])

    def _add_part(self, pair: int, part: Statement) -> None:
        evidence = {self._usable(one.conversation_id) for one in part.evidence}
        ((number,),) = self._database.execute(
            "INSERT INTO persona_parts (pair, text) VALUES (?, CAST(? AS TEXT)) RETURNING number",
            pair, text_bytes(part.text),
        )  # fmt: skip
        self._database.execute_many("INSERT INTO part_evidence VALUES (?, ?)", [(number, one) for one in evidence])

    def _select(self, condition: str, *values: Value, parts: str = "") -> tuple[KeptPair, ...]:
        with self._database.snapshot():
            rows = self._database.execute(
                f"SELECT number, origin, state, body, made_at FROM pairs {condition} ORDER BY number",  # noqa: S608
                *values,
            )
            return tuple(self._kept(row, parts) for row in rows)

    def _kept(self, row: Row, parts_condition: str) -> KeptPair:
        number = as_number(row[0])
        parts = self._database.execute(
            f"SELECT text FROM persona_parts WHERE pair = ? {parts_condition} ORDER BY number",  # noqa: S608
            number,
        )
        names = self._database.execute(
            "SELECT id FROM conversations JOIN pair_conversations ON conversation = number WHERE pair = ?"
            " ORDER BY number",
            number,
        )
        choices = self._database.execute("SELECT choice FROM pair_choices WHERE pair = ? ORDER BY choice", number)
        return KeptPair(
            number=number,
            pair=_unpack(row[3], origin=row[1], persona=" ".join(as_text(text) for (text,) in parts) or None),
            state=next(state for state in PAIR_STATES if state == row[2]),
            made_at=datetime.fromisoformat(as_text(row[4])),
            conversation_ids=tuple(as_text(name) for (name,) in names),
            choices=tuple(as_number(choice) for (choice,) in choices),
        )


def _parts(persona: str | None, statements: Sequence[Statement]) -> list[Statement]:
    """The statements that a persona's text consists of."""
    parts: list[Statement] = []
    left = persona or ""
    for statement in statements:
        if left == statement.text or left.startswith(f"{statement.text} "):
            parts.append(statement)
            left = left[len(statement.text) + 1 :]
    if left:
        raise ValueError("a pair's persona must be made of the statements that come with it")
    return parts


def _pack(pair: PreferencePair) -> str:
    return json.dumps([message_values(part) for part in (pair.prompt, pair.chosen, pair.rejected)])


def _unpack(body: Value, *, origin: Value, persona: str | None) -> PreferencePair:
    try:
        prompt, chosen, rejected = json.loads(as_text(body))
    except ValueError:
        raise VaultError("the vault holds a pair that this version cannot read") from None
    return PreferencePair(
        prompt=unpack_messages(prompt),
        chosen=unpack_messages(chosen),
        rejected=unpack_messages(rejected),
        persona=persona,
        origin=next(known for known in ORIGINS if known == origin),
    )
