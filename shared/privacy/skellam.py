"""Skellam noise: the difference of two Poisson variables, an integer whose sums are Skellam again.

That makes it the noise to add in parts: n devices that each add variance v have added exactly what one would have with
n v, in integers from end to end (Agarwal, Kairouz and Liu, 2021). P(X = k) = e^-v I_k(v), variance v.
"""

from __future__ import annotations

import math
from functools import lru_cache

from shared.privacy.integer_table import WORK_BITS, IntegerTable

_TAIL = 133 * math.log(2)  # what the table leaves out is less than its rounding
LARGEST_VARIANCE = 1e10  # a table of some 40 MB, made in a few seconds
SMALLEST_VARIANCE = 1e-6


@lru_cache(maxsize=4)
def skellam(variance: float) -> IntegerTable:
    """Draws Skellam noise of variance v. Made once a process.

    Raises:
        ValueError: v is not from 1e-6 to `LARGEST_VARIANCE`.
    """
    if not SMALLEST_VARIANCE <= variance <= LARGEST_VARIANCE:
        raise ValueError(f"the variance must be from {SMALLEST_VARIANCE:g} to {LARGEST_VARIANCE:g}")
    return IntegerTable.from_masses(_masses(variance, math.ceil(tail_bound(variance, _TAIL)) + 1))


def tail_bound(variance: float, log_probability: float) -> float:
    """x with P(|X| > x) <= 2 exp(-log_probability): Bernstein's inequality for a difference of Poisson variables."""
    third = log_probability / 3
    return third + math.sqrt(third**2 + 2 * variance * log_probability)


def _masses(variance: float, reach: int) -> list[int]:
    """2^288 e^-v I_k(v) for k from 0 to reach.

    By Miller's algorithm: I_{k-1} = I_{k+1} + (2k / v) I_k from far above the reach downwards, where every term is
    positive and errors die out; then e^v = I_0 + 2 (I_1 + I_2 + ...).
    """
    numerator, denominator = variance.as_integer_ratio()
    last = reach + reach // 8 + 64
    above, here = 0, 1 << 192
    unscaled = [here]
    for k in range(last, 0, -1):
        above, here = here, above + 2 * k * here * denominator // numerator
        unscaled.append(here)
    unscaled.reverse()
    total = unscaled[0] + 2 * sum(unscaled[1:])
    return [(value << WORK_BITS) // total for value in unscaled[: reach + 1]]
