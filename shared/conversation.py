"""Conversations and preference pairs as values.

These types carry a person's own words. Their `repr` shows counts, never content, so that a traceback, a log line or a
debugger's hover cannot spill them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

Role = Literal["system", "user", "assistant"]
Origin = Literal["rewrite", "reward", "vote", "choice"]

ROLES: tuple[Role, ...] = get_args(Role)
ORIGINS: tuple[Origin, ...] = get_args(Origin)


class InvalidConversationError(ValueError):
    """A conversation or a pair breaks a structural rule. The message names the rule, never the text."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Message:
    """One turn: who speaks, and the text."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InvalidConversationError(f"a message's role must be one of {', '.join(ROLES)}")

    def __repr__(self) -> str:
        return f"Message(role={self.role!r}, {len(self.content)} characters)"


@dataclass(frozen=True, kw_only=True, repr=False)
class Conversation:
    """One logged conversation of one user.

    Attributes:
        conversation_id: unique among the user's; not a text of theirs.
        started: when it began, aware of its time zone; None where the log does not say. Recency needs it.
        messages: in the order in which they were said. Two messages of one role in a row are kept as logged.
    """

    conversation_id: str
    messages: tuple[Message, ...]
    started: datetime | None = None

    def __post_init__(self) -> None:
        if not self.conversation_id:
            raise InvalidConversationError("a conversation must have an id")
        if not self.messages:
            raise InvalidConversationError("a conversation must hold a message")
        if self.started is not None and self.started.utcoffset() is None:
            raise InvalidConversationError("a conversation's start must be aware of its time zone")

    def __repr__(self) -> str:
        return f"Conversation({len(self.messages)} messages)"


@dataclass(frozen=True, kw_only=True, repr=False)
class PreferencePair:
    """One preference: under `persona`, after `prompt`, the user is better served by `chosen` than by `rejected`.

    This is the unit of pair-level privacy.

    Attributes:
        prompt: the conversation so far; its last message is the user's. It holds no persona: that is added by
            `client.prompts.with_persona` wherever a model reads it.
        chosen, rejected: what follows the prompt. Usually one assistant message; or several turns that begin and end
            with the assistant's (assistant, user, assistant), of which only the assistant's tokens are scored.
        persona: natural-language statements about the user, or None.
        origin: "rewrite" (user-guided rewrite > original), "reward" (best > worst candidate), "vote" (a person chose
            between two replies) or "choice" (a person left one reply and went on from another).
    """

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    persona: str | None = None
    origin: Origin = "rewrite"

    def __post_init__(self) -> None:
        if not self.prompt or self.prompt[-1].role != "user":
            raise InvalidConversationError("a pair's prompt must end with a user message")
        for name, completion in (("chosen", self.chosen), ("rejected", self.rejected)):
            _check_completion(name, completion)
        if self.chosen == self.rejected:
            raise InvalidConversationError("a pair's chosen and rejected replies must differ")
        if self.origin not in ORIGINS:
            raise InvalidConversationError(f"a pair's origin must be one of {', '.join(ORIGINS)}")

    def __repr__(self) -> str:
        return (
            f"PreferencePair(origin={self.origin!r}, {len(self.prompt)} prompt messages, "
            f"persona={'none' if self.persona is None else 'present'})"
        )


def _check_completion(name: str, completion: Sequence[Message]) -> None:
    if not completion or completion[0].role != "assistant" or completion[-1].role != "assistant":
        raise InvalidConversationError(f"a pair's {name} must begin and end with an assistant message")
    if any(message.role == "system" for message in completion):
        raise InvalidConversationError(f"a pair's {name} must hold no system message")
    if not any(message.content.strip() for message in completion if message.role == "assistant"):
        raise InvalidConversationError(f"a pair's {name} holds no assistant text")
