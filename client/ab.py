"""Blind comparisons: the assistant as it has learned against the base model, on a person's own requests.

Both replies are written to their end before either is shown, under the same persona, the same settings and the same
limit of length. Their order is drawn from the operating system's randomness and stays in memory here until the vote:
nothing that is shown depends on it. Two replies that are the same are a tie, and nobody is asked.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from client.assistant.persona_text import PersonaRead
from client.vault.votes import VoteCounts, VoteOutcome
from shared.conversation import Message

Side = Literal["1", "2"]
Ballot = Literal["1", "2", "tie"]

MOST_COMPARISONS = 16
SECONDS = 3600.0
_Z = 1.959963984540054  # of 95 %


class ComparisonGoneError(LookupError):
    """A comparison was voted on already, is too old, or never was."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two replies to one request, waiting for a vote.

    Attributes:
        conversation_id: that it goes on from; None where it begins one.
        messages: what both replies answer, the request last.
        tuned, base: the replies.
        persona: that both were written under.
        tuned_first: whether the tuned one is shown as "1".
    """

    conversation_id: str | None
    messages: tuple[Message, ...]
    tuned: str
    base: str
    tuned_first: bool
    persona: PersonaRead = field(default_factory=PersonaRead)

    def __repr__(self) -> str:
        return f"Comparison({len(self.messages)} messages)"

    @property
    def shown(self) -> dict[Side, str]:
        """The replies as they are shown."""
        first, second = (self.tuned, self.base) if self.tuned_first else (self.base, self.tuned)
        return {"1": first, "2": second}

    @property
    def tuned_side(self) -> Side:
        return "1" if self.tuned_first else "2"

    @property
    def is_tie(self) -> bool:
        """Whether there is nothing to ask: the replies say the same."""
        return self.tuned.strip() == self.base.strip()

    def outcome(self, ballot: Ballot) -> VoteOutcome:
        """What a ballot says of the two models."""
        if ballot == "tie":
            return "tie"
        return "tuned" if ballot == self.tuned_side else "base"

    def voted(self, ballot: Ballot) -> str:
        """The reply that the conversation goes on with: the better one; after a tie the one that is shown first."""
        return self.shown["1" if ballot == "tie" else ballot]


class Comparisons:
    """Those that wait for a vote, in memory only: the oldest give way, and each lasts an hour."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        coin: Callable[[], bool] = lambda: bool(secrets.randbits(1)),
    ) -> None:
        """Args:
        clock: in seconds.
        coin: decides the order.
        """
        self._clock, self._coin = clock, coin
        self._waiting: OrderedDict[str, tuple[float, Comparison]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"Comparisons({len(self)})"

    def make(
        self,
        conversation_id: str | None,
        messages: tuple[Message, ...],
        *,
        tuned: str,
        base: str,
        persona: PersonaRead | None = None,
    ) -> tuple[str, Comparison]:
        """Draws the order and keeps the comparison: (its id, which says nothing, the comparison)."""
        made = Comparison(
            conversation_id=conversation_id,
            messages=messages,
            tuned=tuned,
            base=base,
            tuned_first=self._coin(),
            persona=persona or PersonaRead(),
        )
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._expire()
            while len(self._waiting) >= MOST_COMPARISONS:
                self._waiting.popitem(last=False)
            self._waiting[name] = (self._clock(), made)
        return name, made

    def take(self, name: str) -> Comparison:
        """The comparison, which is gone then: one vote each. Raises: ComparisonGoneError."""
        with self._lock:
            self._expire()
            found = self._waiting.pop(name, None)
        if found is None:
            raise ComparisonGoneError("this comparison was voted on already, or is more than an hour old")
        return found[1]

    def forget(self, conversation_id: str | None = None) -> None:
        """Drops those of a conversation; without one, all."""
        with self._lock:
            for name, (_, one) in list(self._waiting.items()):
                if conversation_id is None or one.conversation_id == conversation_id:
                    del self._waiting[name]

    def _expire(self) -> None:
        for name, (since, _) in list(self._waiting.items()):
            if self._clock() - since > SECONDS:
                del self._waiting[name]


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often the tuned model's reply was the better one, a tie being half a win.

    Attributes:
        votes: how many, ties included.
        share: of wins.
        low, high: Wilson's interval at 95 %. Ties make it a little wider than it had to be.
    """

    votes: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, counts: VoteCounts) -> WinRate | None:
        """None without votes."""
        share = counts.win_rate
        if share is None:
            return None
        votes = counts.tuned + counts.base + counts.tie
        low, high = wilson(share, votes)
        return cls(votes=votes, share=share, low=low, high=high)

    def meaning(self, *, from_user: bool) -> str:
        """In one plain sentence.

        Args:
            from_user: whether what answers has learned from the user, and not from others alone.
        """
        if self.low > 0.5:
            who = "has learned from you" if from_user else "has learned from others"
            return f"You prefer the replies of the assistant that {who}; chance alone rarely looks so."
        if self.high < 0.5:
            return "You prefer the replies from before it learned: what it has learned does not serve you."
        return "These votes do not tell yet which one you prefer; more votes narrow the range."


def wilson(share: float, votes: int) -> tuple[float, float]:
    """Wilson's score interval of a proportion at 95 % (Wilson, 1927)."""
    z2 = _Z * _Z
    middle = share + z2 / (2 * votes)
    spread = _Z * math.sqrt(share * (1 - share) / votes + z2 / (4 * votes * votes))
    scale = 1 + z2 / votes
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
