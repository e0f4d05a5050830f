"""What (ε, δ)-differential privacy allows an attacker who guesses who was there, and what guesses say of ε.

    TPR <= min{ e^ε FPR + δ,  1 - e^-ε (1 - δ - FPR) }

(Kairouz, Oh and Viswanath, 2015). Every ceiling and every bound here is this inequality, read one way or the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, rankdata

_LARGEST = 30.0
_GRID = 20_001


def most_true_positives(false_positives: ArrayLike, *, epsilon: float, delta: float) -> NDArray[np.float64]:
    """The highest TPR at each FPR."""
    rate = np.asarray(false_positives, dtype=np.float64)
    low = np.exp(min(epsilon, 700.0)) * rate + delta
    high = 1 - np.exp(-epsilon) * (1 - delta - rate)
    return np.asarray(np.clip(np.minimum(low, high), 0.0, 1.0))


def most_auc(*, epsilon: float, delta: float) -> float:
    """The largest area under the ROC curve."""
    # Denser near 0, where the curve rises.
    rates = np.linspace(0.0, 1.0, _GRID) ** 3
    return float(np.trapezoid(most_true_positives(rates, epsilon=epsilon, delta=delta), rates))


def auc(inside: ArrayLike, outside: ArrayLike) -> float:
    """The chance that one who was there scores higher than one who was not; a tie counts half."""
    members, others = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    ranks = rankdata(np.concatenate([members, others]))
    above = ranks[: members.size].sum() - members.size * (members.size + 1) / 2
    return float(above / (members.size * others.size))


def auc_at_least(inside: ArrayLike, outside: ArrayLike, *, error: float) -> float:
    """A lower bound on the area, of whatever distribution: Hoeffding's for two-sample U-statistics (1963, 5b)."""
    fewer = min(np.size(inside), np.size(outside))
    return max(0.0, auc(inside, outside) - math.sqrt(math.log(1 / error) / (2 * fewer)))


def true_positives_at(inside: ArrayLike, outside: ArrayLike, *, rate: float) -> tuple[int, int]:
    """How many of those who were there are found by the lowest threshold that keeps the false positives at `rate` or
    below, and how many false positives there are."""
    members, others = np.asarray(inside, dtype=np.float64), np.sort(np.asarray(outside, dtype=np.float64))
    allowed = int(rate * others.size)
    threshold = others[others.size - allowed - 1]
    return int((members > threshold).sum()), int((others > threshold).sum())


def clopper_pearson(hits: int, trials: int, *, error: float) -> tuple[float, float]:
    """A share's lower and upper bound, each wrong with probability `error` at most."""
    low = 0.0 if hits == 0 else float(beta.ppf(error, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.isf(error, hits + 1, trials - hits))
    return low, high


def epsilon_of_rates(
    true_positives: tuple[int, int], false_positives: tuple[int, int], *, delta: float, error: float
) -> float:
    """The largest ε that two shares rule out together; 0 where they rule out none.

    Args:
        true_positives, false_positives: hits and trials, of a threshold that was fixed before.
        error: of both together.
    """
    found, _ = clopper_pearson(*true_positives, error=error / 2)
    _, wrong = clopper_pearson(*false_positives, error=error / 2)
    return _largest(lambda epsilon: float(most_true_positives(wrong, epsilon=epsilon, delta=delta)) < found)


def epsilon_of_auc(area: float, *, delta: float) -> float:
    """The largest ε that allows no such area; 0 where any does."""
    return _largest(lambda epsilon: most_auc(epsilon=epsilon, delta=delta) < area)


def _largest(is_ruled_out: Callable[[float], bool]) -> float:
    if not is_ruled_out(0.0):
        return 0.0
    low, high = 0.0, _LARGEST
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if is_ruled_out(middle) else (low, middle)
    return low
