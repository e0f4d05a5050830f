"""Symmetric integer distributions, drawn exactly but for the last of 128 bits: one 64-bit word a number, from a table.

The table holds P(X <= k) to 128 bits. What makes its masses (`rounded_gaussian`, `skellam`, `discrete_gaussian`) works
in integers throughout, so that the same parameters give the same table on every machine.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from shared.privacy.noise import NoiseSource

WORK_BITS = 288  # of a mass: what a million roundings lose stays far below a threshold's last bit
_BITS = 128  # of a threshold
_WORD = (1 << 64) - 1


@dataclass(frozen=True, eq=False, repr=False)
class IntegerTable:
    """Upper and lower words of 2^128 P(X <= k) for k from -reach to reach - 1."""

    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    reach: int

    @classmethod
    def from_masses(cls, masses: Sequence[int]) -> IntegerTable:
        """Args:
        masses: 2^288 P(X = k) for k from 0 to the reach; P(X = -k) is the same.
        """
        # P(X <= -k) is the tail's sum, smallest first, and P(X <= k) is 1 - P(X <= -k - 1).
        tail = accumulate(reversed(masses[1:]))
        shift = WORK_BITS - _BITS
        below = [(value + (1 << (shift - 1))) >> shift for value in tail]  # P(X <= -reach) .. P(X <= -1)
        thresholds = [*below, *((1 << _BITS) - value for value in reversed(below))]
        thresholds = [min(value, (1 << _BITS) - 1) for value in thresholds]
        return cls(
            high=np.array([value >> 64 for value in thresholds], dtype=np.uint64),
            low=np.array([value & _WORD for value in thresholds], dtype=np.uint64),
            reach=len(masses) - 1,
        )

    def total_variation(self, size: int) -> float:
        """A bound on how far (total variation) `size` numbers drawn are from the exact distribution.

        Each threshold is off by at most 2^-127, and at most 2^-127 lies beyond the table.
        """
        return size * (2 * self.reach + 2) * 2.0**-127

    def draw(self, size: int, source: NoiseSource) -> NDArray[np.int64]:
        """(size,) independent integers: as many 64-bit words, and another where 64 bits do not decide."""
        words = source.words(size)
        index = np.searchsorted(self.high, words, side="left")
        last = np.searchsorted(self.high, words, side="right")
        for place in np.flatnonzero(index != last):  # once in 2^64 / (2 reach) draws
            below = self.low[index[place] : last[place]].tolist()
            index[place] += bisect_right(below, int(source.words(1)[0]))
        return index.astype(np.int64) - self.reach
