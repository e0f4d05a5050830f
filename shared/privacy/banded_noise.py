"""Correlated noise: the banded square-root Toeplitz factor of DP-FTRL (Choquette-Choo et al., 2023, arXiv:2306.08153).

What is trained on are prefix sums of the rounds' sums S_1 .. S_T. With C lower triangular, the mechanism releases

    Y = C S + xi,   xi independent Gaussian,    and from it    S + C^-1 xi = C^-1 Y,

whose noise partly cancels from round to round. C is Toeplitz with `bands` coefficients c_0 = 1 and
c_j = c_{j-1} (2j-1)/2j, the square root of the prefix-sum matrix cut off. A device whose participations are at least
`bands` rounds apart meets columns that do not overlap, so its sensitivity over the whole run is
sqrt(participations) |c| times one update's norm: one Gaussian release, adaptively chosen updates included (Denisov et
al., 2022, arXiv:2202.08312, theorem 2.1), without any assumption about sampling.

The coefficients are whole eighths: with integer sums, Y is an integer plus noise, and rounded noise is exact
(`shared.privacy.rounded_gaussian`). A rounded coefficient makes another matrix, of which all of the above holds too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DENOMINATOR = 8


@dataclass(frozen=True, kw_only=True)
class BandedToeplitz:
    """Attributes:
    bands: how many coefficients; every device's participations must be at least so many rounds apart.
    """

    bands: int

    def __post_init__(self) -> None:
        if self.bands < 1:
            raise ValueError("a factor needs at least one band")

    @property
    def numerators(self) -> tuple[int, ...]:
        """Eight times each coefficient, (bands,)."""
        return _numerators(self.bands)

    def sensitivity(self, participations: int) -> float:
        """sqrt(participations) |c|, in eighths: of C S to one device whose updates have norm at most 1."""
        return math.sqrt(participations * sum(value**2 for value in self.numerators))

    def combine(self, sums: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """The row of C S that ends at the last of the sums, in eighths, exactly.

        Args:
            sums: (d,) of this round and the rounds before it, oldest first; the last `bands` of them are used.

        Raises:
            OverflowError: 64 bits do not hold it.
        """
        recent = list(reversed(sums))[: self.bands]
        largest = sum(
            numerator * int(np.abs(value).max(initial=0))
            for numerator, value in zip(self.numerators, recent, strict=False)
        )
        if largest >= 2**62:
            raise OverflowError("the sum of a cohort does not fit 64 bits")
        total = np.zeros_like(recent[0])
        for numerator, value in zip(self.numerators, recent, strict=False):
            total += numerator * value
        return total

    def resolve(self, noised: NDArray[np.int64], earlier: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """This round's entry of C^-1 Y, the sum with its correlated noise: post-processing of what was released.

        Args:
            noised: (d,) this round's row of Y, in eighths.
            earlier: what this returned for the rounds before, oldest first.
        """
        left = noised.astype(np.float64)
        for numerator, value in zip(self.numerators[1:], reversed(earlier), strict=False):
            left -= numerator * value
        return left / self.numerators[0]

    def noise_growth(self, rounds: int) -> NDArray[np.float64]:
        """(rounds,) standard deviation of each round's entry of C^-1 xi, for noise of one eighth in Y."""
        return np.sqrt(np.cumsum(self.inverse(rounds) ** 2))

    def inverse(self, rounds: int) -> NDArray[np.float64]:
        """(rounds,) the first column of C^-1, which is Toeplitz too; C in eighths."""
        numerators = np.array(self.numerators, dtype=np.float64)
        inverse = np.zeros(rounds)
        inverse[0] = 1.0 / numerators[0]
        for t in range(1, rounds):
            back = min(t, self.bands - 1)
            inverse[t] = -float(numerators[1 : back + 1] @ inverse[t - back : t][::-1]) / numerators[0]
        return inverse


@lru_cache(maxsize=16)
def _numerators(bands: int) -> tuple[int, ...]:
    found, exact = [DENOMINATOR], Fraction(1)
    for j in range(1, bands):
        exact *= Fraction(2 * j - 1, 2 * j)
        found.append(round(exact * DENOMINATOR))
    return tuple(found)
