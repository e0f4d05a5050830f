"""How well a reply serves a user: one protocol, and the rewards behind it.

`mutual_information` needs no further model, `reward_model` takes any Hugging Face reward model, `judge` asks a language
model. Each can be asked with a persona or, as the user-agnostic ablation, without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.conversation import Message

__all__ = ["Ranked", "Reward"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Ranked:
    """Candidates to be ranked.

    Attributes:
        prompt: the conversation, ending with the user's request; without persona.
        persona: who the reply is for; None ranks for nobody in particular.
        candidates: at least one reply.
    """

    prompt: tuple[Message, ...]
    persona: str | None
    candidates: tuple[str, ...]

    def __repr__(self) -> str:
        known = "none" if self.persona is None else "present"
        return f"Ranked({len(self.candidates)} candidates, persona={known})"


class Reward(Protocol):
    """Scores candidates: higher serves better. Scores of different cases need not be comparable."""

    @property
    def name(self) -> str: ...

    def score(self, cases: Sequence[Ranked]) -> list[tuple[float, ...]]: ...
