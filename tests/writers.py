"""Models that write what a test tells them to: stand-ins where the pipeline's own work is tested, not a model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack

import torch

from shared.conversation import Message
from shared.generation import CompletionScores, GeneratedReply, GenerationSettings


class Writer:
    """Answers each prompt by a function of it; a reply that ends in "…" was cut off.

    Attributes:
        prompts: every prompt that was put to it.
    """

    name = "writer"

    def __init__(self, answer: Callable[[Sequence[Message], int], str]) -> None:
        """Args:
        answer: of the prompt and the number of the sample.
        """
        self._answer = answer
        self.prompts: list[tuple[Message, ...]] = []

    def generate_replies(
        self, conversations: Sequence[Sequence[Message]], **settings: Unpack[GenerationSettings]
    ) -> list[list[GeneratedReply]]:
        self.prompts += [tuple(turns) for turns in conversations]
        return [
            [
                GeneratedReply(text=text.removesuffix("…"), finished=not text.endswith("…"))
                for text in (self._answer(turns, sample) for sample in range(settings.get("samples", 1)))
            ]
            for turns in conversations
        ]

    def holds(self, reply: str) -> bool:
        return len(reply) < 10_000

    def score(
        self, prompts: Sequence[Sequence[Message]], completions: Sequence[Sequence[Message]], *, batch_size: int = 16
    ) -> CompletionScores:
        """A reply is as likely as it shares words with its prompt."""
        sums, counts = [], []
        for prompt, completion in zip(prompts, completions, strict=True):
            known = {word for message in prompt for word in message.content.lower().split()}
            words = completion[0].content.lower().split()
            sums.append(float(sum(word in known for word in words) - len(words)))
            counts.append(max(1, len(words)))
        return CompletionScores(log_probabilities=torch.tensor(sums), tokens=torch.tensor(counts))


def last_said(turns: Sequence[Message]) -> str:
    """The last message of a prompt."""
    return turns[-1].content
