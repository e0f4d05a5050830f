"""A sum of updates that are let go as they come, and whose order does not matter.

Each number is summed in two float64: a running sum, and what rounding has taken from it (Knuth's TwoSum, TAOCP vol. 2,
4.2.2, theorem C). For n updates the error is at most n² 2^-106 of the largest partial sum: 2^-66 of it for a million,
so that another order changes a float64 of the result about once in 2^13 numbers by its last bit, and a float32 never
in practice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ExactSum:
    """(d,) sum. Takes 16 d bytes, however many updates there are.

    Attributes:
        count: updates in it.
    """

    def __init__(self, dimension: int) -> None:
        self._total = np.zeros(dimension, dtype=np.float64)
        self._lost = np.zeros(dimension, dtype=np.float64)
        self.count = 0

    def add(self, update: NDArray[np.float32]) -> None:
        """Adds one. Raises: ValueError: another shape."""
        if update.shape != self._total.shape:
            raise ValueError("updates must have one shape")
        before, one = self._total, update.astype(np.float64)
        after = before + one
        added = after - before
        self._lost += (before - (after - added)) + (one - added)
        self._total = after
        self.count += 1

    def mean(self) -> NDArray[np.float64]:
        """(d,) mean. Raises: ValueError: of none."""
        if not self.count:
            raise ValueError("there is no mean of no updates")
        return (self._total + self._lost) / self.count
