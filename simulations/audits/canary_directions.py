"""Canaries that do not meet: orthogonal unit vectors, each of them over many coordinates.

Andrew et al. (2023) draw directions at random, which are nearly orthogonal where d is much larger than their number. At
d of a few thousand they are not nearly enough: each canary's score would hold a little of every other. Here the
coordinates are shuffled and cut into blocks, and the directions are the rows of a Hadamard matrix on a block, with
random signs of columns and rows. Scores of different canaries share no signal, and under independent Gaussian noise are
independent. Since each has a random sign, their mean is zero where no canary was, whatever the mechanism does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

# Coordinates of a canary: enough to lie in many rows of many matrices, few enough that the matrix is small.
LARGEST_BLOCK = 256
LEAST_BLOCK = 16


class CanaryDirections:
    """Orthogonal unit vectors (d,)."""

    def __init__(self, dimension: int, *, wanted: int, seed: int) -> None:
        """Args:
            dimension: d.
            wanted: how many at most; there are nearly d at most.

        Raises:
            ValueError: d is below 16.
        """
        if dimension < LEAST_BLOCK:
            raise ValueError("so few numbers have no room for canaries")
        self._dimension = dimension
        self.block = LEAST_BLOCK
        while self.block < LARGEST_BLOCK and self.block * 8 <= dimension:
            self.block *= 2
        blocks = dimension // self.block
        generator = np.random.default_rng(seed)
        self._places = generator.permutation(dimension)[: blocks * self.block].reshape(blocks, self.block)
        self._column_signs = generator.choice((-1.0, 1.0), size=self._places.shape)
        self._rows = np.asarray(hadamard(self.block), dtype=np.float64) / np.sqrt(self.block)
        self.count = min(wanted, self._places.size)
        # Which rows of which blocks: of all blocks alike, so that canaries see the whole update.
        self._chosen = generator.permutation(self._places.size)[: self.count]
        self._signs = generator.choice((-1.0, 1.0), size=self.count)

    def vector(self, index: int) -> NDArray[np.float64]:
        """(d,) direction `index`, of norm 1."""
        block, row = divmod(int(self._chosen[index]), self.block)
        out = np.zeros(self._dimension)
        out[self._places[block]] = self._signs[index] * self._column_signs[block] * self._rows[row]
        return out

    def scores(self, observed: NDArray[np.floating]) -> NDArray[np.float64]:
        """(count,) the inner product of every direction with a vector (d,)."""
        of_all = (observed[self._places].astype(np.float64) * self._column_signs) @ self._rows.T
        return np.asarray(of_all.reshape(-1)[self._chosen] * self._signs)


def room_for(dimension: int) -> int:
    """How many directions there can be among so many coordinates, about."""
    return max(0, dimension - LARGEST_BLOCK)
