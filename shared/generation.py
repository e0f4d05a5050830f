"""What the pipeline asks of a language model, whatever stands behind it: replies, and log-probabilities of replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Required, TypedDict, Unpack

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


class GenerationSettings(TypedDict, total=False):
    """How replies are written.

    Attributes:
        max_new_tokens: of a reply.
        temperature: 0, the default, is greedy.
        samples: replies a conversation, by default 1; more need a temperature above 0.
        seed: of the sampling, by default 0.
        batch_size: replies written together, samples included; by default 64.
    """

    max_new_tokens: Required[int]
    temperature: float
    samples: int
    seed: int
    batch_size: int


class ReplyGenerator(Protocol):
    """A model that writes, and says whether it came to an end: what was cut off must never train."""

    @property
    def name(self) -> str: ...

    def generate_replies(
        self, conversations: Sequence[Sequence[Message]], **settings: Unpack[GenerationSettings]
    ) -> list[list[GeneratedReply]]:
        """`samples` replies to each conversation, which ends with the user's message, in the order given."""
        ...


def texts_of(replies: Sequence[Sequence[GeneratedReply]]) -> list[list[str]]:
    """The texts alone, for those who do not train on them."""
    return [[reply.text for reply in samples] for samples in replies]


class CompletionScorer(Protocol):
    """A model whose log-probabilities can be asked for; a server that only writes has none."""

    def score(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> CompletionScores: ...
