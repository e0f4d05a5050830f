"""Sentences written for training: general ones of four languages, and some that follow one exchange only."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

from client.followups import FollowUp, FollowUpKind
from shared.conversation import Message

SEEDS_FILE = "seed_sentences.toml"

_KINDS = {
    "new_request": FollowUpKind.NEW_REQUEST,
    "reattempt": FollowUpKind.REATTEMPT,
    "positive": FollowUpKind.POSITIVE,
    "clarification": FollowUpKind.CLARIFICATION,
    "unrelated": FollowUpKind.UNRELATED,
}


@dataclass(frozen=True, kw_only=True)
class SeedFollowUp:
    """Attributes:
    sentence: the number of the sentence in the file; one that follows several exchanges comes several times.
    language: "en", "de", "ja" or "ar".
    followup, kind: what was written.
    """

    sentence: int
    language: str
    followup: FollowUp
    kind: FollowUpKind


@dataclass(frozen=True, kw_only=True)
class _Exchange:
    language: str
    turns: tuple[Message, Message]
    followups: dict[FollowUpKind, tuple[str, ...]]


def seed_follow_ups(*, contexts: int = 2, seed: int = 0) -> tuple[SeedFollowUp, ...]:
    """All sentences, each general one after `contexts` exchanges of its language, drawn by `seed`."""
    general, exchanges = _read()
    rng = Random(f"tacit seed sentences {seed}")
    found = []
    number = 0
    for language, by_kind in general.items():
        choices = [exchange for exchange in exchanges if exchange.language == language]
        for kind, sentences in by_kind.items():
            for sentence in sentences:
                for exchange in rng.sample(choices, min(contexts, len(choices))):
                    followup = FollowUp(conversation=exchange.turns, text=sentence)
                    found.append(SeedFollowUp(sentence=number, language=language, followup=followup, kind=kind))
                number += 1
    for exchange in exchanges:
        for kind, sentences in exchange.followups.items():
            for sentence in sentences:
                followup = FollowUp(conversation=exchange.turns, text=sentence)
                found.append(SeedFollowUp(sentence=number, language=exchange.language, followup=followup, kind=kind))
                number += 1
    return tuple(found)


@cache
def _read() -> tuple[dict[str, dict[FollowUpKind, tuple[str, ...]]], tuple[_Exchange, ...]]:
    table = tomllib.loads(files(__package__).joinpath(SEEDS_FILE).read_text(encoding="utf-8"))
    general = {language: _by_kind(entry) for language, entry in table["general"].items()}
    exchanges = []
    for entry in table["exchange"]:
        language, request, reply = (str(entry.pop(key)) for key in ("language", "request", "reply"))
        turns = (Message(role="user", content=request), Message(role="assistant", content=reply))
        exchanges.append(_Exchange(language=language, turns=turns, followups=_by_kind(entry)))
    return general, tuple(exchanges)


def _by_kind(entry: dict[str, list[str]]) -> dict[FollowUpKind, tuple[str, ...]]:
    return {_KINDS[name]: tuple(sentences) for name, sentences in entry.items()}
