"""Means over people, with intervals that treat a person, not a vote, as the thing that was sampled.

A user's votes resemble each other, so an interval that resamples votes is too narrow. Here whole users are drawn with
replacement (the cluster bootstrap; Davison and Hinkley, 1997, section 3.8) and the interval is read from the
percentiles. With few users it is still too narrow (about 0.9 covered for 0.95 asked at 10 users), so the number of
users stands beside every interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weighting = Literal["votes", "users"]

DEFAULT_RESAMPLES = 10_000

# Rounding noise below this is a tie: an untrained adapter's margins are zero but for it.
TIE = 1e-5

_BLOCK = 1_000  # resamples drawn at once: bounds memory at `_BLOCK` x users integers


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its bootstrap interval over users.

    Attributes:
        value: the mean of the values as they are.
        low, high: percentile interval.
        confidence: the coverage aimed at.
        users, values: how many of each it rests on.
    """

    value: float
    low: float
    high: float
    confidence: float
    users: int
    values: int


def bootstrap_interval(
    values: ArrayLike,
    user_ids: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
    weighting: Weighting = "votes",
) -> tuple[float, float]:
    """(low, high) of the mean of `values`: `estimate_mean`'s interval alone."""
    found = estimate_mean(values, user_ids, confidence=confidence, resamples=resamples, seed=seed, weighting=weighting)
    return found.low, found.high


def estimate_mean(
    values: ArrayLike,
    user_ids: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
    weighting: Weighting = "votes",
) -> Estimate:
    """The mean of `values` with a bootstrap interval over users.

    Args:
        values: (n,) finite numbers, n ≥ 1.
        user_ids: (n,) whose value each is; None means one user a value.
        confidence: in (0, 1).
        resamples: bootstrap samples, at least 1.
        seed: of the resampling; the same arguments give the same interval.
        weighting: "votes" weighs every value alike (a resample's mean is its sum over its count, both random);
            "users" weighs every user alike (the mean of users' means).

    Raises:
        ValueError: empty, not finite or of unequal lengths, or an argument out of range.
    """
    numbers = _finite(values)
    totals, counts = _by_user(numbers, user_ids)
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError("confidence must be between 0 and 1, and resamples at least 1")
    if weighting == "users":
        totals, counts = totals / counts, np.ones_like(counts)
    means = _resampled_means(totals, counts, resamples=resamples, seed=seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(
        value=float(totals.sum() / counts.sum()),
        low=float(low),
        high=float(high),
        confidence=confidence,
        users=len(totals),
        values=len(numbers),
    )


def estimate_difference(
    first: ArrayLike,
    second: ArrayLike,
    user_ids: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
    weighting: Weighting = "votes",
) -> Estimate:
    """The mean of `first - second`, paired value by value, with a bootstrap interval over users.

    Two methods judged on the same votes must be compared so: their separate intervals overlap long after the
    difference is clear. Arguments and errors as `estimate_mean` has them.
    """
    one, other = _finite(first), _finite(second)
    if one.shape != other.shape:
        raise ValueError("paired values must be equally many")
    return estimate_mean(
        one - other, user_ids, confidence=confidence, resamples=resamples, seed=seed, weighting=weighting
    )


def wins(margins: ArrayLike, *, tie: float = TIE) -> NDArray[np.float64]:
    """(n,) 1 where a margin is above `tie`, 0 where it is below `-tie`, ½ between: their mean is a win rate.

    Raises:
        ValueError: margins that are empty or not finite, or a negative `tie`.
    """
    if tie < 0:
        raise ValueError("tie must not be negative")
    numbers = _finite(margins)
    return np.asarray((numbers > tie) + 0.5 * (np.abs(numbers) <= tie), dtype=np.float64)


def user_means(values: ArrayLike, user_ids: Sequence[str]) -> dict[str, float]:
    """The mean of each user's values, users in sorted order. Errors as `estimate_mean`."""
    totals, counts = _by_user(_finite(values), user_ids)
    return dict(zip(sorted(set(user_ids)), (totals / counts).tolist(), strict=True))


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError("values must be a non-empty row of numbers")
    if not np.isfinite(numbers).all():
        raise ValueError("values must be finite")
    return numbers


def _by_user(
    values: NDArray[np.float64], user_ids: Sequence[str] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(users,) sums and (users,) counts, users in sorted order."""
    if user_ids is None:
        return values, np.ones_like(values)
    if len(user_ids) != len(values):
        raise ValueError("there must be one user id a value")
    names, index = np.unique(np.asarray(user_ids, dtype=object), return_inverse=True)
    totals = np.bincount(index, weights=values, minlength=len(names)).astype(np.float64)
    return totals, np.bincount(index, minlength=len(names)).astype(np.float64)


def _resampled_means(
    totals: NDArray[np.float64], counts: NDArray[np.float64], *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """(resamples,) means over users drawn with replacement."""
    generator = np.random.default_rng(seed)
    users = len(totals)
    means = np.empty(resamples)
    for begin in range(0, resamples, _BLOCK):
        drawn = generator.integers(users, size=(min(_BLOCK, resamples - begin), users))
        means[begin : begin + len(drawn)] = totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
