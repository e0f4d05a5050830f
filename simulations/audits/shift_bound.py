"""From the scores of canaries that were in and of canaries that were not to a bound on ε (Andrew et al., 2023,
arXiv:2302.03098).

Under a Gaussian mechanism a canary's score is normal, and being in moves it by μ standard deviations: no analysis makes
the mechanism's ε smaller than that of μ-GDP (Balle and Wang, 2018). Andrew et al. give an estimate and an asymptotic
interval. Here the bound's coverage is exact for normal scores of equal variance: Student's bound on the shift, and a
chi-squared bound on the variance, each with half of the error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import dp_accounting
import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, t

# Beyond this every promise is broken, and the figure says no more.
_LARGEST_SHIFT = 1000.0
_TINY = 1e-12
MOST_CANARIES = 3000


@dataclass(frozen=True, kw_only=True)
class ShiftBound:
    """Attributes:
    shift: estimate of μ, standard deviations between scores in and out; may be negative.
    lower: no smaller μ is consistent with the scores at the confidence asked for; 0 at least.
    canaries_in, canaries_out: how many scores there were.
    """

    shift: float
    lower: float
    canaries_in: int
    canaries_out: int

    def epsilon(self, delta: float) -> float:
        """ε that the estimate comes to; 0 where it is negative."""
        return epsilon_of_shift(self.shift, delta)

    def epsilon_at_least(self, delta: float) -> float:
        """ε that the bound comes to."""
        return epsilon_of_shift(self.lower, delta)


def bound_shift(scores_in: ArrayLike, scores_out: ArrayLike, *, error: float, centred: bool = False) -> ShiftBound:
    """A bound on μ that is above the truth with probability `error` at most.

    Args:
        scores_in, scores_out: of canaries, larger where they were in.
        centred: whether scores out have mean zero whatever the mechanism does, as those of directions with a random
            sign have: then only their variance need be learnt.

    Raises:
        ValueError: fewer than two scores of either, or not finite.
    """
    inside, outside = np.asarray(scores_in, dtype=np.float64), np.asarray(scores_out, dtype=np.float64)
    if min(inside.size, outside.size) < 2 or not (np.isfinite(inside).all() and np.isfinite(outside).all()):
        raise ValueError("a bound needs at least two finite scores of either kind")
    freedom = inside.size + outside.size - (1 if centred else 2)
    out_mean = 0.0 if centred else float(outside.mean())
    squares = inside.var() * inside.size + float(((outside - out_mean) ** 2).sum())
    deviation = max(math.sqrt(squares / freedom), _TINY)
    difference = float(inside.mean()) - out_mean
    per_shift = math.sqrt(1 / inside.size + (0.0 if centred else 1 / outside.size))
    least_difference = difference - float(t.isf(error / 2, freedom)) * deviation * per_shift
    largest_deviation = deviation * math.sqrt(freedom / float(chi2.ppf(error / 2, freedom)))
    return ShiftBound(
        shift=min(difference / deviation, _LARGEST_SHIFT),
        lower=min(max(least_difference / largest_deviation, 0.0), _LARGEST_SHIFT),
        canaries_in=inside.size,
        canaries_out=outside.size,
    )


def epsilon_of_shift(shift: float, delta: float) -> float:
    """ε of μ-GDP at δ; 0 where μ is not above 0."""
    if shift <= 0:
        return 0.0
    return max(0.0, float(dp_accounting.get_epsilon_gaussian(1 / shift, delta)))


def shift_of_epsilon(epsilon: float, delta: float) -> float:
    """The μ whose ε at δ it is: what a claim allows scores to move."""
    return 1 / float(dp_accounting.get_sigma_gaussian(epsilon, delta))


def canaries_needed(
    claimed_shift: float, *, error: float, held_out: int | None, factor: float = 2.0, power: float = 0.95
) -> int:
    """How many canaries show, with probability `power`, that μ is `factor` times what is claimed.

    By the normal approximation; half the noise is twice the shift.

    Args:
        held_out: scores out, whose mean is known; None where there are as many as in, and it is not.
    """
    true, normal = factor * claimed_shift, NormalDist()
    for count in range(20, MOST_CANARIES):
        freedom = count + (count if held_out is None else held_out) - 2
        widening = math.sqrt(freedom / float(chi2.ppf(error / 2, freedom)))
        of_means = (2 if held_out is None else 1) / count
        unlucky = normal.inv_cdf(power) * math.sqrt(of_means + true**2 / (2 * freedom))
        if (true - unlucky - normal.inv_cdf(1 - error / 2) * math.sqrt(of_means)) / widening > claimed_shift:
            return count
    return MOST_CANARIES
