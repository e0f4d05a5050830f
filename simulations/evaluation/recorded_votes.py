"""Two models judged by votes that people really cast: which of them tells the chosen reply from the rejected one.

A model tells a pair by its implicit reward over the base, as DPO defines it:
`log π(y⁺)/π_base(y⁺) − log π(y⁻)/π_base(y⁻)`. The base itself, which has no such reward, is asked by log-probability
per token. Pairs that are too long for the model are left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from client.prompts import with_persona
from shared.causal_lm import LanguageModel
from shared.conversation import Message
from simulations.evaluation.statistics import Estimate, estimate_difference, estimate_mean, wins
from simulations.population.recorded import RecordedPair

_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class VoteComparison:
    """Attributes:
    first, second: share of votes told right, a tie counting half, over people.
    difference: first minus second, paired by vote.
    too_long: votes left out.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    too_long: int

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


class NoVotesError(ValueError):
    """There is no vote that the models could be asked about."""


def compare_on_votes(
    recorded: Sequence[RecordedPair],
    first: LanguageModel,
    second: LanguageModel,
    base: LanguageModel,
    *,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
) -> VoteComparison:
    """Args:
        first, second: `second` may be `base`.

    Raises:
        NoVotesError: no votes, or all of them too long.
    """
    short = [entry for entry in recorded if _fits(entry, base)]
    if not short:
        raise NoVotesError("there are no votes short enough for the model's context")
    models = [base] + [model for model in (first, second) if model is not base]
    scores: dict[int, np.ndarray] = {}
    for place, model in enumerate(models):
        scores[id(model)] = _log_probabilities(short, model)
        progress((place + 1) / len(models))
    told = [
        _told_by_base(short, scores[id(base)], base) if model is base else _told(scores[id(model)], scores[id(base)])
        for model in (first, second)
    ]
    people = [entry.user_id for entry in short]
    return VoteComparison(
        first=estimate_mean(told[0], people, seed=seed),
        second=estimate_mean(told[1], people, seed=seed),
        difference=estimate_difference(told[0], told[1], people, seed=seed),
        too_long=len(recorded) - len(short),
    )


def _sides(entry: RecordedPair) -> tuple[tuple[Message, ...], tuple[tuple[Message, ...], tuple[Message, ...]]]:
    pair = entry.pair
    return with_persona(pair.prompt, pair.persona), (pair.chosen, pair.rejected)


def _fits(entry: RecordedPair, model: LanguageModel) -> bool:
    prompt, sides = _sides(entry)
    head = len(model.encode_prompt(prompt))
    return all(head + len(model.encode_completion(prompt, side)[0]) <= model.context_length for side in sides)


def _log_probabilities(recorded: Sequence[RecordedPair], model: LanguageModel) -> np.ndarray:
    """(votes, 2) nats: chosen and rejected."""
    found = []
    for start in range(0, len(recorded), _AT_ONCE):
        part = [_sides(entry) for entry in recorded[start : start + _AT_ONCE]]
        prompts = [prompt for prompt, _ in part for _side in range(2)]
        replies = [side for _, sides in part for side in sides]
        found.append(model.log_probabilities(prompts, replies).double().numpy().reshape(-1, 2))
    values: np.ndarray = np.concatenate(found)
    return values


def _told(scores: np.ndarray, base: np.ndarray) -> np.ndarray:
    gain = scores - base
    return wins(gain[:, 0] - gain[:, 1])


def _told_by_base(recorded: Sequence[RecordedPair], scores: np.ndarray, model: LanguageModel) -> np.ndarray:
    lengths = np.array(
        [
            [max(1, sum(model.encode_completion(prompt, side)[1])) for side in sides]
            for prompt, sides in map(_sides, recorded)
        ]
    )
    per_token = scores / lengths
    return wins(per_token[:, 0] - per_token[:, 1])
