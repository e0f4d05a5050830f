"""The discrete Gaussian: P(X = k) proportional to exp(-k^2 / (2 sigma^2)) (Canonne, Kamath and Steinke, 2020).

Its sums are not discrete Gaussians, only nearly: what n devices add in parts is accounted with the distance (Kairouz,
Liu and Steinke, 2021), which vanishes where each one's sigma is above about 2.
"""

from __future__ import annotations

import math
from functools import lru_cache

import mpmath

from shared.privacy.integer_table import WORK_BITS, IntegerTable

_REACH = 13.7  # exp(-13.7^2 / 2) < 2^-135
LARGEST_SIGMA = 100_000.0
# Below it, sums of discrete Gaussians are not nearly one; at it, their distance is 7e-18 a coordinate and member.
LEAST_SUMMED_SIGMA = 2.0
_SMALLEST_SIGMA = 0.25


@lru_cache(maxsize=4)
def discrete_gaussian(sigma: float) -> IntegerTable:
    """Draws discrete Gaussians. Made once a process.

    Raises:
        ValueError: sigma is not from 0.25 to `LARGEST_SIGMA`.
    """
    if not _SMALLEST_SIGMA <= sigma <= LARGEST_SIGMA:
        raise ValueError(f"sigma must be from {_SMALLEST_SIGMA:g} to {LARGEST_SIGMA:g}")
    return IntegerTable.from_masses(_masses(sigma, math.ceil(_REACH * sigma) + 2))


def _masses(sigma: float, reach: int) -> list[int]:
    one = 1 << WORK_BITS
    with mpmath.workprec(WORK_BITS + 64):
        inverse = 1 / mpmath.mpf(sigma) ** 2
        ratio = int(mpmath.floor(mpmath.exp(-inverse / 2) * one))
        square = int(mpmath.floor(mpmath.exp(-inverse) * one))
    unscaled = [one]
    for _ in range(reach):
        unscaled.append((unscaled[-1] * ratio) >> WORK_BITS)
        ratio = (ratio * square) >> WORK_BITS
    total = unscaled[0] + 2 * sum(unscaled[1:])
    return [(value << WORK_BITS) // total for value in unscaled]
