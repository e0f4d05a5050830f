"""The persona in the vault: what was observed and what its user wrote, tied to the messages that it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from client.persona.axes import Axis, read_taste
from client.persona.book import PersonaBook, Reading
from client.persona.inference import Observed
from client.persona.statements import Evidence, Observation, Statement, StatementDropped
from client.vault.database import Database, Row, Value, as_number, as_text, text_bytes
from client.vault.errors import VaultError

# Words about an axis that are nobody's: they keep it struck out when the user's conversation is forgotten.
STRUCK_AXIS = {
    Axis.EXPERTISE: "jargon",
    Axis.INFORMATIVENESS: "details",
    Axis.TONE: "formal",
    Axis.STRUCTURE: "lists",
}


class Personas:
    """The persona of one vault's user."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Personas()"

    def load(self) -> PersonaBook:
        """The book as it is now: nothing in it rests on a private or forgotten conversation."""
        with self._database.snapshot():
            reader = self._database.execute("SELECT name FROM persona_reader")
            observations: dict[int, list[Observation]] = {}
            for row in self._database.execute(
                "SELECT observations.conversation, id, turn, date, text FROM observations"
                " JOIN conversations ON conversations.number = observations.conversation ORDER BY observations.number"
            ):
                found = Observation(text=as_text(row[4]), evidence=_evidence(row[1:4]))
                observations.setdefault(as_number(row[0]), []).append(found)
            read = {
                as_text(name): Reading(
                    digest=as_text(digest),
                    observed=Observed(
                        observations=tuple(observations.get(as_number(number), ())), dropped=_reasons(dropped)
                    ),
                )
                for number, name, digest, dropped in self._database.execute(
                    "SELECT number, id, readings.digest, dropped FROM readings"
                    " JOIN conversations ON number = conversation ORDER BY number"
                )
            }
            return PersonaBook(
                reader=as_text(reader[0][0]) if reader else "",
                read=read,
                written=tuple(self._statement(row) for row in self._statements(struck=False)),
                struck=tuple(as_text(row[1]) for row in self._statements(struck=True)),
            )

    def save_readings(self, book: PersonaBook) -> None:
        """Keeps what was read, and what the user has written, locked or struck out meanwhile. As `save` otherwise."""
        with self._database.transaction():
            now = self.load()
            self.save(replace(book, written=now.written, struck=now.struck))

    def edit(self, change: Callable[[PersonaBook], PersonaBook]) -> PersonaBook:
        """Changes what the user wrote, locked or struck out in the book as it is at this moment; the book afterwards.

        Raises:
            VaultError: and whatever `change` raises: nothing was changed.
        """
        with self._database.transaction():
            before = self.load()
            after = change(before)
            if after == before:
                return before
            self.save_edits(after)
            return self.load()

    def save_edits(self, book: PersonaBook) -> None:
        """Keeps what the user wrote, locked or struck out, and what was read meanwhile. As `save` otherwise."""
        with self._database.transaction():
            now = self.load()
            self.save(replace(now, written=book.written, struck=book.struck))

    def save(self, book: PersonaBook) -> None:
        """Makes a book the persona, whole or not at all.

        What rests on a conversation that became private, was forgotten or has lost the message meanwhile is left out:
        load the book anew afterwards.

        Raises:
            VaultError: see `client.vault.errors`.
        """
        with self._database.transaction():
            numbers = {
                as_text(name): as_number(number)
                for number, name in self._database.execute("SELECT number, id FROM conversations WHERE private = 0")
            }
            self._database.execute("DELETE FROM persona_reader")
            self._database.execute("INSERT INTO persona_reader VALUES (1, ?)", book.reader)
            self._save_readings(book, numbers)
            origins = self._origins(book)
            self._database.execute("DELETE FROM statements")
            for statement in book.written:
                self._insert(statement, statement.evidence, numbers, struck=False)
            for text in book.struck:
                evidence = origins.get(text, ())
                source = Statement(text=text, source="inferred" if evidence else "user")
                self._insert(source, evidence, numbers, struck=True)

    def _save_readings(self, book: PersonaBook, numbers: dict[str, int]) -> None:
        rows = self._database.execute("SELECT conversation, digest FROM readings")
        known = {as_number(row[0]): as_text(row[1]) for row in rows}
        keep = {numbers[name]: entry for name, entry in book.read.items() if name in numbers}
        for number, digest in known.items():
            if number not in keep or keep[number].digest != digest:
                self._database.execute("DELETE FROM readings WHERE conversation = ?", number)
        for number, entry in keep.items():
            if known.get(number) == entry.digest and self._same(number, entry):
                continue
            self._database.execute("DELETE FROM readings WHERE conversation = ?", number)
            found = entry.observed.observations
            if not all(self._exists(number, one.evidence.turn) for one in found):
                continue  # it was replaced while it was read, and will be read again
            dropped = json.dumps({reason.value: count for reason, count in entry.observed.dropped.items()})
            self._database.execute("INSERT INTO readings VALUES (?, ?, ?)", number, entry.digest, dropped)
            self._database.execute_many(
                "INSERT INTO observations (conversation, turn, date, text) VALUES (?, ?, ?, CAST(? AS TEXT))",
                [(number, one.evidence.turn, _iso(one.evidence.date), text_bytes(one.text)) for one in found],
            )

    def _same(self, number: int, entry: Reading) -> bool:
        """Whether the observations are those that are kept: another reader makes others of the same messages."""
        rows = self._database.execute(
            "SELECT turn, date, text FROM observations WHERE conversation = ? ORDER BY number", number
        )
        return rows == [(one.evidence.turn, _iso(one.evidence.date), one.text) for one in entry.observed.observations]

    def _origins(self, book: PersonaBook) -> dict[str, tuple[Evidence, ...]]:
        """What has the very words of each struck text, by the book or by what the vault knew of it before."""
        found: dict[str, dict[tuple[str, int], Evidence]] = {text: {} for text in book.struck}
        observed = [one for entry in book.read.values() for one in entry.observed.observations]
        before = [self._statement(row) for struck in (False, True) for row in self._statements(struck=struck)]
        for text, evidence in (
            *((one.text, one.evidence) for one in observed),
            *((one.text, evidence) for one in before if one.source == "inferred" for evidence in one.evidence),
        ):
            if text in found:
                found[text][evidence.conversation_id, evidence.turn] = evidence
        return {text: tuple(evidence.values()) for text, evidence in found.items()}

    def _insert(
        self, statement: Statement, evidence: Sequence[Evidence], numbers: dict[str, int], *, struck: bool
    ) -> None:
        kept = {
            (numbers[one.conversation_id], one.turn): one.date
            for one in evidence
            if one.conversation_id in numbers and self._exists(numbers[one.conversation_id], one.turn)
        }
        inferred = statement.source == "inferred"
        if inferred and ((len(kept) < len(evidence) and not struck) or not kept):
            return  # its words may be from what is gone
        ((number,),) = self._database.execute(
            "INSERT INTO statements (text, source, confidence, locked, struck) VALUES (CAST(? AS TEXT), ?, ?, ?, ?)"
            " RETURNING number",
            text_bytes(statement.text), statement.source, statement.confidence, int(statement.locked), int(struck),
        )  # fmt: skip
        self._database.execute_many(
            "INSERT INTO statement_evidence VALUES (?, ?, ?, ?)",
            [(number, conversation, turn, _iso(date)) for (conversation, turn), date in kept.items()],
        )

    def _exists(self, number: int, turn: int) -> bool:
        return bool(self._database.execute("SELECT 1 FROM messages WHERE conversation = ? AND turn = ?", number, turn))

    def _statements(self, *, struck: bool) -> list[Row]:
        return self._database.execute(
            "SELECT number, text, source, confidence, locked FROM statements WHERE struck = ? ORDER BY number",
            int(struck),
        )

    def _statement(self, row: Row) -> Statement:
        evidence = self._database.execute(
            "SELECT id, turn, date FROM statement_evidence JOIN conversations ON number = conversation"
            " WHERE statement = ? ORDER BY date, number, turn",
            row[0],
        )
        return Statement(
            text=as_text(row[1]),
            evidence=tuple(_evidence(one) for one in evidence),
            confidence=float(row[3] or 0.0),
            locked=bool(row[4]),
            source="user" if row[2] == "user" else "inferred",
        )


def keep_struck(database: Database, conversation: int) -> None:
    """What was struck out stays so though the conversation whose words it has is leaving: by its axis.

    An open preference that was struck out cannot be kept without its words, and is not.
    """
    for number, text in database.execute(
        "SELECT number, text FROM statements WHERE struck = 1 AND source = 'inferred' AND NOT EXISTS"
        " (SELECT 1 FROM statement_evidence WHERE statement = number AND conversation <> ?)",
        conversation,
    ):
        taste = read_taste(as_text(text))
        if taste is not None:
            database.execute(
                "UPDATE statements SET text = ?, source = 'user' WHERE number = ?", STRUCK_AXIS[taste.axis], number
            )


def _evidence(row: Sequence[Value]) -> Evidence:
    name, turn, date = row
    return Evidence(
        conversation_id=as_text(name),
        turn=as_number(turn),
        date=None if date is None else datetime.fromisoformat(as_text(date)),
    )


def _reasons(packed: Value) -> dict[StatementDropped, int]:
    try:
        return {StatementDropped(reason): int(count) for reason, count in json.loads(as_text(packed)).items()}
    except (ValueError, TypeError, AttributeError):
        raise VaultError("the vault holds a reading that this version cannot read") from None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
