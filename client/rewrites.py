"""User-guided rewrites: a reply that the user was dissatisfied with, done again as the user asked.

RLHI (arXiv:2509.25137, section 3.1): request, original reply and follow-ups give a rewrite, and rewrite > original. The
`from-scratch` ablation answers the request anew, without the original and the feedback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from client.prompts import rewrite_with_feedback, with_persona
from shared.conversation import Message
from shared.generation import GeneratedReply, ReplyGenerator

RewriteMode = Literal["feedback", "from-scratch"]
# Greedy, an answer from scratch would be the original again.
_FROM_SCRATCH_TEMPERATURE = 1.0


@dataclass(frozen=True, kw_only=True, repr=False)
class Dissatisfaction:
    """A reply that its user wanted otherwise.

    Attributes:
        prompt: the conversation, ending with the request; without persona.
        original: the reply to redo.
        feedbacks: what the user said of it, in order; at least one.
        persona: of the user, or None.
    """

    prompt: tuple[Message, ...]
    original: str
    feedbacks: tuple[str, ...]
    persona: str | None

    def __post_init__(self) -> None:
        if not self.feedbacks:
            raise ValueError("a dissatisfaction needs a feedback")

    def __repr__(self) -> str:
        return f"Dissatisfaction({len(self.prompt)} messages, {len(self.feedbacks)} feedbacks)"

    @property
    def feedback(self) -> str:
        """All that was said of the reply."""
        return " ".join(self.feedbacks)


def rewrite(
    cases: Sequence[Dissatisfaction],
    model: ReplyGenerator,
    *,
    mode: RewriteMode = "feedback",
    max_new_tokens: int,
    seed: int = 0,
    batch_size: int = 64,
) -> list[GeneratedReply]:
    """A new reply to each request, in the order given.

    Args:
        model: the device's own, or one behind a local server.
        mode: with the original and the feedback, or without both.
        max_new_tokens: a rewrite that is cut off says so.
        seed: of sampling from scratch.
    """
    if not cases:
        return []
    if mode == "from-scratch":
        prompts = [with_persona(case.prompt, case.persona) for case in cases]
        replies = model.generate_replies(
            prompts,
            max_new_tokens=max_new_tokens,
            temperature=_FROM_SCRATCH_TEMPERATURE,
            seed=seed,
            batch_size=batch_size,
        )
    else:
        prompts = [
            rewrite_with_feedback(
                (*case.prompt, Message(role="assistant", content=case.original)), case.feedback, case.persona
            )
            for case in cases
        ]
        replies = model.generate_replies(prompts, max_new_tokens=max_new_tokens, seed=seed, batch_size=batch_size)
    return [samples[0] for samples in replies]
