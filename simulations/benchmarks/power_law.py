"""How a cost grows with a size: the exponent of a power law, fitted by least squares on logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, kw_only=True)
class Exponent:
    """Attributes:
    value: k of cost ≈ c · size^k: 0 is no growth, 1 in proportion.
    low, high: 95 % interval, by Student's t over the residuals.
    """

    value: float
    low: float
    high: float


def fit_exponent(sizes: Sequence[float], costs: Sequence[float]) -> Exponent:
    """The exponent of costs against at least three sizes, all above 0 and not all equal.

    Raises:
        ValueError: they are not.
    """
    if not len(sizes) == len(costs) > 2 or min([*sizes, *costs]) <= 0 or len(set(sizes)) < 2:
        raise ValueError("an exponent needs three sizes or more, not all equal, a cost of each, and all above 0")
    fitted = stats.linregress(np.log(sizes), np.log(costs))
    half = float(stats.t.ppf(0.975, len(sizes) - 2) * fitted.stderr)
    slope = float(fitted.slope)
    return Exponent(value=slope, low=slope - half, high=slope + half)
