"""Whose updates are attacked, and what an attacker knows beforehand: how often each token is met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.packing import EncodedPair, encode_pair
from shared.conversation import PreferencePair
from shared.language_model import LanguageModel
from shared.round_plan import FederationPlan
from simulations.audits.audited_run import AuditedRun
from simulations.audits.registry import NotApplicableError
from simulations.evaluation.statistics import Estimate, estimate_mean
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.recorded import RecordedPopulation

FULL_PAIRS = 10
EVERYWHERE = 0.9
_UNSEEN = 0.5
_LEAST_USERS = 12


@dataclass(frozen=True, kw_only=True, repr=False)
class People:
    """Attributes:
    victims: (victims,) pairs of each, of which the first alone is attacked, too.
    others: (others,) pairs of each.
    """

    victims: tuple[tuple[PreferencePair, ...], ...]
    others: tuple[tuple[PreferencePair, ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior:
    """What is known of everybody's tokens.

    Attributes:
        frequency: (V,) share of rows that hold each token, above 0 and below 1.
        telling: (V,) tokens that are not in nearly every row: to find the others is no finding.
        count: (V,) how often each was met, at least a little.
    """

    frequency: NDArray[np.float64]
    telling: NDArray[np.bool_]
    count: NDArray[np.float64]


def people_of(run: AuditedRun, *, victims: int, others: int) -> People:
    """Of the run's own population; of the embedded world also strangers, where it has too few.

    Raises:
        NotApplicableError: it has too few.
    """
    population = run.population
    wanted = victims + others
    if isinstance(population, RecordedPopulation):
        found = tuple(tuple(population.pairs(index)) for index in range(min(len(population), wanted)))
    else:
        world = EmbeddedPopulation(seed=population.seed, users=wanted, pairs_per_user=FULL_PAIRS)
        found = tuple(world.pairs(index) for index in range(wanted))
    found = tuple(pairs for pairs in found if pairs)
    if len(found) < _LEAST_USERS:
        raise NotApplicableError(f"the data has {len(found)} users with pairs, and {_LEAST_USERS} are needed")
    victims = min(victims, len(found) // 2)
    return People(victims=found[:victims], others=found[victims:])


def encoded(model: LanguageModel, plan: FederationPlan, pair: PreferencePair) -> EncodedPair:
    """A pair's tokens, as the plan has them cut."""
    terms = plan.training
    return encode_pair(
        model, pair, max_prompt_tokens=terms.max_prompt_tokens, max_completion_tokens=terms.max_completion_tokens
    )


def tokens_of(rows: Iterable[EncodedPair]) -> frozenset[int]:
    """Distinct tokens of rows."""
    return frozenset(token for row in rows for token in flat(row))


def flat(row: EncodedPair) -> tuple[int, ...]:
    """A row's tokens in the order of `client.packing`."""
    return (*row.prompt, *row.chosen.ids, *row.rejected.ids)


def prior_of(rows: Sequence[EncodedPair], *, vocabulary: int) -> Prior:
    """From other people's rows."""
    met, counted = Counter[int](), Counter[int]()
    for row in rows:
        met.update(set(flat(row)))
        counted.update(flat(row))
    frequency = np.array([(met[token] + _UNSEEN) / (len(rows) + 1) for token in range(vocabulary)])
    count = np.array([counted[token] + _UNSEEN for token in range(vocabulary)])
    return Prior(frequency=frequency, telling=frequency < EVERYWHERE, count=count)


def area_under_curve(scores: NDArray[np.floating], is_there: NDArray[np.bool_]) -> float:
    """AUC: how often a token that was there is scored above one that was not, ties half."""
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    values, place = np.unique(scores, return_inverse=True)
    ranks = (np.bincount(place, weights=ranks) / np.bincount(place))[place] if len(values) < len(scores) else ranks
    positives = int(is_there.sum())
    negatives = len(scores) - positives
    if not positives or not negatives:
        return 0.5  # there is nothing to tell apart
    return float((ranks[is_there].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def true_positives_at(scores: NDArray[np.floating], is_there: NDArray[np.bool_], *, false: float = 0.01) -> float:
    """Share of the tokens that were there above the score that a share `false` of the others exceeds."""
    threshold = np.quantile(scores[~is_there], 1 - false)
    return float((scores[is_there] > threshold).mean())


def interval(values: Sequence[float], *, seed: int) -> list[float]:
    """[mean, low, high]: of 95 % over victims, for figures."""
    found: Estimate = estimate_mean(values, seed=seed, resamples=2000)
    return [found.value, found.low, found.high]
