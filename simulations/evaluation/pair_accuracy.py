"""Held-out pair accuracy: how often the reply that a person chose is told from the one they rejected.

Beside the federated adapter stand the rows it must beat to mean anything: the base model, the same training on the
user's own pairs alone, and the rule that the longer reply wins. Accuracy counts a tie half; intervals are bootstrapped
over users, and differences are paired vote by vote.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.training import NonFiniteTrainingError
from shared.privacy.clipping import NonFiniteUpdateError
from simulations.evaluation.cross_validation import Fold
from simulations.evaluation.pair_scoring import PairScorer
from simulations.evaluation.statistics import DEFAULT_RESAMPLES
from simulations.evaluation.vote_tally import Method, PairAccuracy, PairAccuracyError, VoteTally
from simulations.population.recorded import RecordedPair, RecordedPopulation


@dataclass(frozen=True, kw_only=True)
class FoldProgress:
    """A fold is done.

    Attributes:
        done, folds: how many are, of how many.
        users, pairs: what its federation trained on.
        votes: how many it tested.
        accuracy: method → over this fold's votes.
        seconds: training of the federation, training alone, scoring.
    """

    done: int
    folds: int
    users: int
    pairs: int
    votes: int
    accuracy: Mapping[Method, float]
    federate_seconds: float
    alone_seconds: float
    score_seconds: float


Federate = Callable[[RecordedPopulation, Fold], NDArray[np.float32]]


def evaluate_pairs(
    recorded: Sequence[RecordedPair],
    scorer: PairScorer,
    vector: NDArray[np.float32],
    *,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
) -> PairAccuracy:
    """Accuracy of one adapter on pairs that its training has not seen (that is the caller's to see to).

    Raises:
        PairAccuracyError: no pairs.
        ValueError: a figure is not finite.
    """
    began = time.perf_counter()
    if not recorded:
        raise PairAccuracyError("there are no pairs to test")
    votes = VoteTally()
    votes.add(recorded, scorer.score(vector, [entry.pair for entry in recorded]), local=None)
    return votes.summary(
        left=0, folds=1, confidence=confidence, resamples=resamples, seed=seed, seconds=time.perf_counter() - began
    )


def cross_validate(
    population: RecordedPopulation,
    folds: Sequence[Fold],
    scorer: PairScorer,
    federate: Federate,
    *,
    with_local: bool = True,
    progress: Callable[[FoldProgress], None] | None = None,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
) -> PairAccuracy:
    """Trains a federation for each fold and tests it on the votes of users and groups that it did not see.

    A fold without a test vote is passed over.

    Args:
        folds: from `cross_validation_folds` on this population.
        federate: trains on the population it is given, and on nothing else; returns the adapter (d,).
        with_local: whether each test user also trains alone on their own votes about the training groups.
        progress: told after every fold.
        seed: of local training and of the bootstrap.

    Raises:
        PairAccuracyError: no fold has a test vote, a fold has nothing to train on, or two folds test one vote.
        ValueError: a figure is not finite.
    """
    began = time.perf_counter()
    votes = VoteTally()
    used = [fold for fold in folds if fold.testing(population).recorded_pairs()]
    _check(population, used)
    for done, fold in enumerate(used, start=1):
        training = fold.training(population)
        marks = [time.perf_counter()]
        vector = federate(training, fold)
        marks.append(time.perf_counter())
        tested, own = fold.testing(population), fold.own_training(population)
        local: dict[str, NDArray[np.float32]] = {}
        for index, user in enumerate(own.user_ids):
            if with_local and own.devices[index] and tested.devices[index]:
                local_seed = _derived_seed(seed, fold.index, index)
                # Who diverges alone has nothing to be compared with, as who has no pairs.
                with suppress(NonFiniteTrainingError, NonFiniteUpdateError):
                    local[user] = scorer.train_alone(own.pairs(index), seed=local_seed)
        marks.append(time.perf_counter())
        recorded = tested.recorded_pairs()
        figures = scorer.score(vector, [entry.pair for entry in recorded])
        margins = _local_margins(tested, scorer, local) if with_local else None
        outcome = votes.add(recorded, figures, local=margins)
        marks.append(time.perf_counter())
        if progress is not None:
            federating, alone, scoring = np.diff(marks).tolist()
            progress(
                FoldProgress(
                    done=done,
                    folds=len(used),
                    users=len(training),
                    pairs=len(training.recorded_pairs()),
                    votes=len(recorded),
                    accuracy={method: float(values.mean()) for method, values in outcome.items()},
                    federate_seconds=federating,
                    alone_seconds=alone,
                    score_seconds=scoring,
                )
            )
    return votes.summary(
        left=len(population.recorded_pairs()) - len(votes),
        folds=len(used),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        seconds=time.perf_counter() - began,
    )


def _local_margins(
    tested: RecordedPopulation, scorer: PairScorer, local: Mapping[str, NDArray[np.float32]]
) -> tuple[NDArray[np.float64], int]:
    """(n,) margins of each vote under its own user's adapter, 0 without one; and how many votes had none."""
    margins: list[NDArray[np.float64]] = []
    without = 0
    for index, user in enumerate(tested.user_ids):
        pairs = tested.pairs(index)
        vector = local.get(user)
        if vector is None:
            without += len(pairs)
            margins.append(np.zeros(len(pairs)))
        else:
            margins.append(scorer.score(vector, pairs).margin)
    return np.concatenate(margins), without


def _check(population: RecordedPopulation, folds: Sequence[Fold]) -> None:
    """Before anything is trained: every fold can be trained, and no vote is tested twice."""
    if not folds:
        raise PairAccuracyError("no fold has a vote to test")
    tested: set[tuple[str, str]] = set()
    for fold in folds:
        if fold.test_users & fold.train_users or fold.test_groups & fold.train_groups:
            raise PairAccuracyError(f"fold {fold.index} trains on users or groups that it tests")
        if not fold.training(population).recorded_pairs():
            raise PairAccuracyError(f"fold {fold.index} has no pairs to train on: use fewer folds")
        cells = {(entry.user_id, entry.group) for entry in fold.testing(population).recorded_pairs()}
        if cells & tested:
            raise PairAccuracyError(f"fold {fold.index} tests votes that another fold tests")
        tested |= cells


def _derived_seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
