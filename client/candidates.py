"""User-based rewards' candidates: N replies to a request, and the best and the worst of them under a reward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from client.prompts import with_persona
from client.rewards import Ranked, Reward
from shared.conversation import Message
from shared.generation import ReplyGenerator


@dataclass(frozen=True, kw_only=True, repr=False)
class Request:
    """A request that its user did not comment on.

    Attributes:
        prompt: the conversation, ending with the request; without persona.
        persona: of the user, or None.
    """

    prompt: tuple[Message, ...]
    persona: str | None

    def __repr__(self) -> str:
        return f"Request({len(self.prompt)} messages)"


@dataclass(frozen=True, kw_only=True, repr=False)
class BestAndWorst:
    """Attributes:
    best, worst: replies.
    margin: the reward of the best minus that of the worst, in the reward's own unit.
    """

    best: str
    worst: str
    margin: float

    def __repr__(self) -> str:
        return f"BestAndWorst(margin={self.margin:.3f})"


def sample_candidates(
    requests: Sequence[Request],
    model: ReplyGenerator,
    *,
    count: int,
    shows_persona: bool,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
    batch_size: int = 64,
) -> list[tuple[str, ...]]:
    """Distinct replies to each request, at most `count`; those that were cut off are left out.

    Args:
        count: replies sampled, N; those of one request share its prefill.
        shows_persona: whether the model reads the persona while it samples. Without it candidates are more diverse.
    """
    if not requests:
        return []
    prompts = [with_persona(one.prompt, one.persona if shows_persona else None) for one in requests]
    sampled = model.generate_replies(
        prompts,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        samples=count,
        seed=seed,
        batch_size=batch_size,
    )
    return [
        tuple(dict.fromkeys(reply.text for reply in replies if reply.finished and reply.text.strip()))
        for replies in sampled
    ]


def best_and_worst(
    requests: Sequence[Request], candidates: Sequence[tuple[str, ...]], reward: Reward, *, knows_persona: bool
) -> list[BestAndWorst | None]:
    """The best over the worst candidate of each request; None where there are not two that differ.

    Args:
        knows_persona: False ranks for nobody in particular: the user-agnostic ablation.
    """
    asked = [place for place, replies in enumerate(candidates) if len(replies) > 1]
    cases = [
        Ranked(
            prompt=requests[place].prompt,
            persona=requests[place].persona if knows_persona else None,
            candidates=candidates[place],
        )
        for place in asked
    ]
    found: list[BestAndWorst | None] = [None] * len(requests)
    for place, scores in zip(asked, reward.score(cases), strict=True):
        best = max(range(len(scores)), key=lambda index: scores[index])
        worst = min(range(len(scores)), key=lambda index: scores[index])
        if scores[best] > scores[worst]:
            replies = candidates[place]
            found[place] = BestAndWorst(best=replies[best], worst=replies[worst], margin=scores[best] - scores[worst])
    return found
