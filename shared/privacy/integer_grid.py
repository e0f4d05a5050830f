"""Updates as integers, so that sensitivity and noise are exact: scale, round at random, check the norm.

Rounding of `distributed_dp` (Kairouz, Liu and Steinke, 2021, section 4): every coordinate goes up or down with the
probability that keeps its mean, and a vector whose norm came out above the bound is rounded again. The bound is checked
in exact integers: replacing one device's vector by zero changes a sum of encoded vectors by at most `norm_bound`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.privacy.clipping import NonFiniteUpdateError
from shared.privacy.noise import NoiseSource

LEAST_SCALE = 256.0
FINENESS = 5.0  # times the square root of d: rounding adds half a per cent to the norm
_TRIES = 16


@dataclass(frozen=True, kw_only=True)
class IntegerGrid:
    """Vectors (d,) of L2 norm at most C as integers, `scale` of them a C.

    Attributes:
        dimension: d.
        clipping_norm: C.
        least_scale: grid units in C at least; more make the rounding finer where no noise hides it anyway.
    """

    dimension: int
    clipping_norm: float
    least_scale: float = LEAST_SCALE

    def __post_init__(self) -> None:
        if self.dimension < 1 or not (self.clipping_norm > 0 and math.isfinite(self.clipping_norm)):
            raise ValueError("a grid needs a dimension of at least 1 and a finite clipping norm above 0")
        if not math.isfinite(self.scale / self.clipping_norm):
            raise ValueError("a grid needs a clipping norm that floating point can divide by")

    @property
    def scale(self) -> float:
        """Grid units in C: coarse enough for small noise tables, fine enough that rounding hardly adds to the norm."""
        return max(self.least_scale, FINENESS * math.sqrt(self.dimension))

    @property
    def squared_norm_bound(self) -> int:
        """The largest squared L2 norm of an encoded vector, in grid units (equation 4.1 there, beta = e^-1/2)."""
        g, root = self.scale, math.sqrt(self.dimension)
        return math.floor(min((g + root) ** 2, g**2 + self.dimension / 4 + (g + root / 2)))

    @property
    def norm_bound(self) -> float:
        """The L2 sensitivity of a sum of encoded vectors to one of them, in grid units."""
        return math.sqrt(self.squared_norm_bound)

    def encode(self, vector: NDArray[np.float32] | NDArray[np.float64], source: NoiseSource) -> NDArray[np.int64]:
        """`vector` times scale / C, rounded at random; its squared norm is at most `squared_norm_bound`, exactly.

        A vector that does not come out within the bound (its norm is above C) is rounded towards zero and scaled down
        until it does: no input, however it was made, passes the bound.

        Raises:
            NonFiniteUpdateError: NaN or infinity.
            ValueError: another shape.
        """
        if vector.shape != (self.dimension,):
            raise ValueError("the vector is not of the grid's dimension")
        if not np.isfinite(vector).all():
            raise NonFiniteUpdateError("the vector to encode holds NaN or infinity")
        scaled = vector.astype(np.float64) * (self.scale / self.clipping_norm)
        norm = math.sqrt(float(np.dot(scaled, scaled)))
        if norm > self.scale:
            # Float32's rounding of a clipped vector, or a lie: either way not more than C.
            scaled *= self.scale / norm
        for _ in range(_TRIES):
            rounded = np.floor(scaled + source.uniform(self.dimension)).astype(np.int64)
            if self.is_bounded(rounded):
                return rounded
        return np.trunc(scaled * (1 - 2.0**-20)).astype(np.int64)

    def is_bounded(self, encoded: NDArray[np.int64]) -> bool:
        """Whether a vector of integers is one that `encode` may return."""
        largest = max(int(encoded.max(initial=0)), -int(encoded.min(initial=0)))
        # A square of more than the bound would overflow before it is compared.
        return largest**2 <= self.squared_norm_bound and int(np.dot(encoded, encoded)) <= self.squared_norm_bound

    def decode(self, total: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """A sum in grid units as a sum of updates."""
        return total.astype(np.float64) * (self.clipping_norm / self.scale)


class IntegerSum:
    """The sum of updates on a grid, exact in any order: each is encoded as it comes, and let go.

    Attributes:
        source: of the rounding.
        total: (d,) in grid units.
    """

    def __init__(self, grid: IntegerGrid, source: NoiseSource) -> None:
        self._grid = grid
        self.source = source
        self.total = np.zeros(grid.dimension, dtype=np.int64)

    def add(self, update: NDArray[np.float32]) -> None:
        """Adds one. Raises: NonFiniteUpdateError, ValueError: see `IntegerGrid.encode`."""
        self.total += self._grid.encode(update, self.source)
