"""The persona as a file of the user's: what was observed, what the user wrote, locked or struck out.

Reading a history again is cheap: a conversation that the book knows, unchanged, is not put to the model again, and one
that has grown is read anew. What the user writes or locks stands above what is inferred about the same axis; what the
user strikes out is never stated again, in whatever words about that axis.

The file is JSON with mode 0600, replaced whole. It holds private text: encrypting it is the vault's work.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from client.persona.inference import Observed, observe
from client.persona.merging import folded, merge
from client.persona.statements import (
    MAX_STATEMENT_CHARACTERS,
    Evidence,
    Observation,
    Persona,
    Statement,
    StatementDropped,
    in_order,
)
from client.prompts import PROMPTS_VERSION
from client.whole_text import whole_text
from shared.conversation import Conversation
from shared.generation import ReplyGenerator
from shared.private_files import write_private

_FORMAT = 1
_AT_ONCE = 64


class PersonaBookError(ValueError):
    """The book cannot be read, written or changed as asked. The message holds nothing of its content."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Reading:
    """A conversation that was read.

    Attributes:
        digest: of the conversation then.
        observed: what was observed in it.
    """

    digest: str
    observed: Observed

    def __repr__(self) -> str:
        return f"Reading({len(self.observed.observations)} observations)"


@dataclass(frozen=True, kw_only=True, repr=False)
class PersonaBook:
    """A user's persona, growing. Every method returns a new book.

    Attributes:
        reader: which model and prompts made the observations; others read everything anew.
        read: conversation id → what was read of it.
        written: the user's own and locked statements.
        struck: texts of statements that must not be stated again.
    """

    reader: str = ""
    read: Mapping[str, Reading] = field(default_factory=dict)
    written: tuple[Statement, ...] = ()
    struck: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PersonaBook({len(self.read)} conversations, {len(self.written)} written statements)"

    def update(
        self,
        conversations: Sequence[Conversation],
        model: ReplyGenerator,
        *,
        progress: Callable[[int], None] = lambda _: None,
        keep: Callable[[PersonaBook], None] = lambda _: None,
    ) -> PersonaBook:
        """Reads what is new or has changed among `conversations`, the user's whole history.

        Conversations that are no longer in the history leave the book, and what rested on them with them.

        Args:
            progress: told how many conversations were read.
            keep: given the book so far, every few conversations, so that reading a long history is not begun anew.
        """
        reader = f"{model.name} with prompts {PROMPTS_VERSION}"
        known = self.read if reader == self.reader else {}
        digests = {one.conversation_id: _digest(one) for one in conversations}
        if len(digests) != len(conversations):
            raise PersonaBookError("two conversations of the history have one id")
        new = [
            one
            for one in conversations
            if one.conversation_id not in known or known[one.conversation_id].digest != digests[one.conversation_id]
        ]
        kept = {name: entry for name, entry in known.items() if digests.get(name) == entry.digest}
        for start in range(0, len(new), _AT_ONCE):
            part = new[start : start + _AT_ONCE]
            for one, observed in zip(part, observe(part, model), strict=True):
                kept[one.conversation_id] = Reading(digest=digests[one.conversation_id], observed=observed)
            progress(start + len(part))
            if start + len(part) < len(new):
                keep(replace(self, reader=reader, read=dict(kept)))
        return replace(self, reader=reader, read=kept)

    def persona(self, *, before: datetime | None = None) -> Persona:
        """What is stated of the user.

        Args:
            before: only from what was said before this moment (evaluation must not see the conversation it tests);
                what has no date is then left out.
        """
        observations = [
            found
            for entry in self.read.values()
            for found in entry.observed.observations
            if before is None or (found.evidence.date is not None and found.evidence.date < before)
        ]
        struck = [Statement(text=text) for text in self.struck]
        above = [*self.written, *struck]
        inferred = [one for one in merge(observations).statements if not _covered(one, above)]
        return Persona(statements=in_order([*self.written, *inferred]))

    def dropped(self) -> Counter[StatementDropped]:
        """Why statements of the model's were dropped → how many."""
        total: Counter[StatementDropped] = Counter()
        for entry in self.read.values():
            total.update(entry.observed.dropped)
        return total

    def write(self, text: str) -> PersonaBook:
        """The book with a statement of the user's own, which also unstrikes what it repeats.

        The user's own words are not screened: what they choose to tell their device is theirs to tell.

        Raises:
            PersonaBookError: empty or too long.
        """
        text = " ".join(whole_text(text).split())
        if not text or len(text) > MAX_STATEMENT_CHARACTERS:
            raise PersonaBookError(f"a statement has 1 to {MAX_STATEMENT_CHARACTERS} characters")
        statement = Statement(text=text, locked=True, source="user")
        kept = [one for one in self.written if not _about_the_same(one, statement)]
        return replace(
            self, written=(*kept, statement), struck=tuple(one for one in self.struck if folded(one) != folded(text))
        )

    def lock(self, number: int) -> PersonaBook:
        """The book with statement `number` (from 1, of `persona()`) as it is now, whatever is said later.

        Raises:
            PersonaBookError: there is no such statement.
        """
        statement = replace(self._statement(number), locked=True)
        kept = [one for one in self.written if not _about_the_same(one, statement)]
        return replace(self, written=(*kept, statement))

    def unlock(self, number: int) -> PersonaBook:
        """The book without statement `number` as it was locked or written: what is inferred is stated in its place.

        Raises:
            PersonaBookError: there is no such statement.
        """
        statement = self._statement(number)
        return replace(self, written=tuple(one for one in self.written if one.text != statement.text))

    def unstrike(self, text: str) -> PersonaBook:
        """The book that may state `text` again.

        Raises:
            PersonaBookError: it was not struck out.
        """
        if text not in self.struck:
            raise PersonaBookError("this statement is not struck out")
        return replace(self, struck=tuple(one for one in self.struck if one != text))

    def strike(self, number: int) -> PersonaBook:
        """The book that never states `number` again, nor anything else inferred about its axis.

        Raises:
            PersonaBookError: there is no such statement.
        """
        statement = self._statement(number)
        kept = tuple(one for one in self.written if one.text != statement.text)
        return replace(self, written=kept, struck=(*self.struck, statement.text))

    def _statement(self, number: int) -> Statement:
        statements = self.persona().statements
        if not 1 <= number <= len(statements):
            raise PersonaBookError(f"there is no statement {number}: there are {len(statements)}")
        return statements[number - 1]


def load_book(path: Path) -> PersonaBook:
    """The book in a file; an empty one where there is no file.

    Raises:
        PersonaBookError: the file is not a book, or of another format.
        OSError: it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return PersonaBook()
    try:
        values = json.loads(content)
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            raise PersonaBookError(f"{path} is not a persona of this version: move it away to begin anew")
        return PersonaBook(
            reader=str(values["reader"]),
            read={str(name): _parse_read(entry) for name, entry in values["read"].items()},
            written=tuple(_parse_statement(entry) for entry in values["written"]),
            struck=tuple(str(text) for text in values["struck"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, PersonaBookError):
            raise
        # The library's own message may quote the file.
        raise PersonaBookError(f"{path} is damaged: move it away to begin anew") from None


def save_book(book: PersonaBook, path: Path) -> None:
    """Writes the book whole or not at all, readable by its owner only. Raises: OSError."""
    values = {
        "format": _FORMAT,
        "reader": book.reader,
        "read": {
            name: {
                "digest": entry.digest,
                "observations": [
                    {"text": found.text, **_evidence_values(found.evidence)} for found in entry.observed.observations
                ],
                "dropped": {reason.value: count for reason, count in entry.observed.dropped.items()},
            }
            for name, entry in book.read.items()
        },
        "written": [statement_values(one) for one in book.written],
        "struck": list(book.struck),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, [json.dumps(values, ensure_ascii=True).encode("ascii")])


def statement_values(statement: Statement) -> dict[str, object]:
    """A statement as JSON has it."""
    return {
        "text": statement.text,
        "source": statement.source,
        "locked": statement.locked,
        "confidence": statement.confidence,
        "evidence": [_evidence_values(found) for found in statement.evidence],
    }


def _evidence_values(evidence: Evidence) -> dict[str, object]:
    date = evidence.date.isoformat() if evidence.date is not None else None
    return {"conversation_id": evidence.conversation_id, "turn": evidence.turn, "date": date}


def _parse_evidence(values: Mapping[str, object]) -> Evidence:
    date = values["date"]
    return Evidence(
        conversation_id=str(values["conversation_id"]),
        turn=int(str(values["turn"])),
        date=datetime.fromisoformat(date) if isinstance(date, str) else None,
    )


def _parse_read(entry: Mapping[str, object]) -> Reading:
    observations, dropped = entry["observations"], entry["dropped"]
    if not isinstance(observations, list) or not isinstance(dropped, dict):
        raise TypeError
    return Reading(
        digest=str(entry["digest"]),
        observed=Observed(
            observations=tuple(
                Observation(text=str(found["text"]), evidence=_parse_evidence(found)) for found in observations
            ),
            dropped={StatementDropped(reason): int(count) for reason, count in dropped.items()},
        ),
    )


def _parse_statement(values: Mapping[str, object]) -> Statement:
    evidence = values["evidence"]
    if not isinstance(evidence, list):
        raise TypeError
    return Statement(
        text=str(values["text"]),
        evidence=tuple(_parse_evidence(found) for found in evidence),
        confidence=float(str(values["confidence"])),
        locked=bool(values["locked"]),
        source="user" if values["source"] == "user" else "inferred",
    )


def _covered(statement: Statement, above: Sequence[Statement]) -> bool:
    return any(_about_the_same(statement, one) for one in above)


def _about_the_same(first: Statement, second: Statement) -> bool:
    if folded(first.text) == folded(second.text):
        return True
    return first.taste is not None and second.taste is not None and first.taste.axis == second.taste.axis


def _digest(conversation: Conversation) -> str:
    said = [[message.role, message.content] for message in conversation.messages]
    started = conversation.started.isoformat() if conversation.started is not None else None
    return hashlib.sha256(json.dumps([started, said]).encode("ascii")).hexdigest()
