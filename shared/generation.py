"""What the pipeline asks of a language model, whatever stands behind it: replies, and log-probabilities of replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.conversation import Message

if TYPE_CHECKING:  # a model behind a server needs no PyTorch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class CompletionScores:
    """Attributes:
    log_probabilities: (n,) float32 nats, summed over each completion's scored tokens.
    tokens: (n,) int64, how many tokens that were.
    """

    log_probabilities: Tensor
    tokens: Tensor


@dataclass(frozen=True, kw_only=True, repr=False)
class GeneratedReply:
    """Attributes:
    text: the reply, without special tokens.
    finished: whether the model ended its turn; False where `max_new_tokens` cut it off.
    """

    text: str
    finished: bool

    def __repr__(self) -> str:
        return f"GeneratedReply({len(self.text)} characters, finished={self.finished})"


class ReplyGenerator(Protocol):
    """A model that writes, and says whether it came to an end: what was cut off must never train."""

    @property
    def name(self) -> str: ...

    def generate_replies(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        samples: int = 1,
        seed: int = 0,
        batch_size: int = 64,
    ) -> list[list[GeneratedReply]]: ...


class CompletionScorer(Protocol):
    """A model whose log-probabilities can be asked for; a server that only writes has none."""

    def score(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> CompletionScores: ...


class TextGenerator(Protocol):
    """What the pipeline asks of a model that only writes: a stand-in for it is a test's or another backend's."""

    @property
    def name(self) -> str: ...

    def generate(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        samples: int = 1,
        seed: int = 0,
        batch_size: int = 64,
    ) -> list[list[str]]: ...
