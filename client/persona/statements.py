"""The values of a persona: what was observed where, and what is stated of the user because of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from client.persona.axes import Taste, read_taste

MAX_STATEMENT_CHARACTERS = 200


class StatementDropped(StrEnum):
    """Why something that a model said about the user is not a statement of the persona."""

    TOO_LONG = "too long for a statement"
    NOTHING_SAID = "says that nothing is known"
    SENSITIVE = "reveals a sensitive attribute"
    INSTRUCTION = "instructs instead of stating"
    HARMFUL = "asks for harm"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Where a statement comes from: a conversation's id, the place of the user's message in it, and when it began."""

    conversation_id: str
    turn: int
    date: datetime | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Observation:
    """One statement that the model drew from one message of the user."""

    text: str
    evidence: Evidence

    def __repr__(self) -> str:
        return f"Observation({len(self.text)} characters)"


@dataclass(frozen=True, kw_only=True, repr=False)
class Statement:
    """One thing that is believed of the user.

    Attributes:
        text: in natural language, in any language.
        evidence: what it rests on, oldest first; empty for what the user wrote.
        confidence: in [0, 1]: the recency-weighted share of the evidence that speaks for it, one doubt added; 1 for
            what the user wrote.
        locked: never changed nor dropped by inference.
        source: who wrote it.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    confidence: float = 1.0
    locked: bool = False
    source: Literal["inferred", "user"] = "inferred"

    def __repr__(self) -> str:
        return f"Statement({len(self.text)} characters, confidence={self.confidence:.2f}, source={self.source!r})"

    @property
    def taste(self) -> Taste | None:
        """The axis and pole it is about; None for an open preference."""
        return read_taste(self.text)

    @property
    def date(self) -> datetime | None:
        """Of the newest evidence."""
        dates = [found.date for found in self.evidence if found.date is not None]
        return max(dates) if dates else None


@dataclass(frozen=True, kw_only=True, repr=False)
class Persona:
    """What is stated of a user, most certain first."""

    statements: tuple[Statement, ...] = ()

    def __repr__(self) -> str:
        return f"Persona({len(self.statements)} statements)"

    def to_text(self, *, max_tokens: int = 256, count_tokens: Callable[[str], int] | None = None) -> str | None:
        """The statements as one paragraph, as a model reads them; None where nothing is known.

        Whole statements only: one that no longer fits is left out, and a shorter one after it may still fit.

        Args:
            max_tokens: bound of the text.
            count_tokens: of the model that reads it; by default one token a UTF-8 byte, which no tokenizer exceeds.
        """
        count = count_tokens or (lambda text: len(text.encode("utf-8", "replace")))
        kept: list[str] = []
        for statement in self.statements:
            if count(" ".join([*kept, statement.text])) <= max_tokens:
                kept.append(statement.text)
        return " ".join(kept) or None


def in_order(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Locked ones first, then the user's, then by confidence; what is about an axis before what is open."""
    return tuple(
        sorted(
            statements,
            key=lambda one: (not one.locked, one.source != "user", one.taste is None, -one.confidence, one.text),
        )
    )
