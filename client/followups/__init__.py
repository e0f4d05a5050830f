"""What a user's message after a reply is: the protocol, and two classifiers behind it.

`client.followups.by_model` asks the language model; `client.followups.light` needs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from client.prompts import FollowUpKind
from shared.conversation import Message

__all__ = ["FollowUp", "FollowUpClassifier", "FollowUpKind", "FollowUpLabel"]


@dataclass(frozen=True, kw_only=True, repr=False)
class FollowUp:
    """A user's message after a reply.

    Attributes:
        conversation: what came before; ends with the assistant's reply.
        text: what the user says next.
    """

    conversation: tuple[Message, ...]
    text: str

    def __post_init__(self) -> None:
        if not self.conversation or self.conversation[-1].role != "assistant":
            raise ValueError("a follow-up must come after an assistant's reply")

    def __repr__(self) -> str:
        return f"FollowUp(after {len(self.conversation)} messages)"


@dataclass(frozen=True, kw_only=True)
class FollowUpLabel:
    """Attributes:
    kind: the most likely kind; None where the classifier could not tell (a model that did not answer as asked).
    confidence: in [0, 1]; of a classifier that has none, 1 for an answer and 0 for none.
    """

    kind: FollowUpKind | None
    confidence: float


class FollowUpClassifier(Protocol):
    """Labels follow-ups, in the order given."""

    @property
    def name(self) -> str: ...

    def classify(self, followups: Sequence[FollowUp]) -> list[FollowUpLabel]: ...
