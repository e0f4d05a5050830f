"""Pointwise mutual information between a reply and something said of the user, by the model's own log-probabilities.

    pmi(y; c | x) = (log π(y | x, c) − log π(y | x)) / |y|        nats per token

How much likelier the condition c makes the reply (Li et al., 2016, arXiv:1510.03055, rank replies by it). With the
persona as c it is a reward that needs no further model; with a user's feedback as c it says how well a reply heeds it.
What is likely anyway, such as the model's default style, gains nothing from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from client.prompts import with_persona, with_request
from client.rewards import Ranked
from shared.conversation import Message
from shared.generation import CompletionScorer


class PersonaMutualInformation:
    """The reward `pmi(y; persona | x)`; without a persona, the user-agnostic `log π(y | x) / |y|`."""

    name = "persona-pmi"

    def __init__(self, model: CompletionScorer, *, batch_size: int = 32) -> None:
        """Args:
        model: the device's own; a model behind a server gives no log-probabilities.
        """
        self._model = model
        self._batch_size = batch_size

    def score(self, cases: Sequence[Ranked]) -> list[tuple[float, ...]]:
        prompts = [case.prompt for case in cases for _ in case.candidates]
        replies = [reply for case in cases for reply in case.candidates]
        conditions = [with_persona(case.prompt, case.persona) for case in cases for _ in case.candidates]
        values = iter(self._scores(prompts, conditions, replies))
        return [tuple(next(values) for _ in case.candidates) for case in cases]

    def _scores(
        self, prompts: Sequence[Sequence[Message]], conditions: Sequence[Sequence[Message]], replies: Sequence[str]
    ) -> list[float]:
        plain = mean_log_probabilities(self._model, prompts, replies, batch_size=self._batch_size)
        asked = [place for place, (one, other) in enumerate(zip(prompts, conditions, strict=True)) if one != other]
        conditioned = mean_log_probabilities(
            self._model,
            [conditions[place] for place in asked],
            [replies[place] for place in asked],
            batch_size=self._batch_size,
        )
        scores = list(plain)
        for place, value in zip(asked, conditioned, strict=True):
            scores[place] = value - plain[place]
        return scores


def heeding(
    model: CompletionScorer,
    prompts: Sequence[Sequence[Message]],
    feedbacks: Sequence[str],
    replies: Sequence[str],
    *,
    batch_size: int = 32,
) -> list[float]:
    """How well each reply heeds a feedback: `pmi(reply; feedback | prompt)`, nats per token.

    The condition is the same request with the feedback said in it beforehand (`client.prompts.with_request`), so that
    the reply to be redone, which a model likes to copy, is not before its eyes.
    """
    asked = [with_request(prompt, feedback) for prompt, feedback in zip(prompts, feedbacks, strict=True)]
    conditioned = mean_log_probabilities(model, asked, replies, batch_size=batch_size)
    plain = mean_log_probabilities(model, prompts, replies, batch_size=batch_size)
    return [one - other for one, other in zip(conditioned, plain, strict=True)]


def mean_log_probabilities(
    model: CompletionScorer, prompts: Sequence[Sequence[Message]], replies: Sequence[str], *, batch_size: int
) -> list[float]:
    """log π(reply | prompt) / tokens of each, in nats."""
    if not replies:
        return []
    completions = [(Message(role="assistant", content=reply),) for reply in replies]
    found = model.score(prompts, completions, batch_size=batch_size)
    means = found.log_probabilities / found.tokens.clamp(min=1)
    return [float(value) for value in means]
