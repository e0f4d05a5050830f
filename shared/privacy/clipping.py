"""Clipping: the step that gives an update a bounded norm, and so a guarantee its sensitivity."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Each retry shrinks by a few float32 roundings, so that the second almost always ends the loop.
_SHRINK = 1.0 - 2.0**-22


class NonFiniteUpdateError(ValueError):
    """A vector to be clipped holds NaN or infinity. The message holds no value of it."""


def clip_to_norm(vector: NDArray[np.float32], clipping_norm: float) -> NDArray[np.float32]:
    """Scales `vector` down to L2 norm `clipping_norm`, or returns a copy if it is within.

    The norm is that of the float32 numbers returned, summed in float64: rounding never leaves it above C. Replacing one
    device's vector by zero therefore changes a sum of clipped vectors by at most C.

    | vector | result |
    | --- | --- |
    | zero | zero |
    | norm at most C | the same numbers |
    | norm above C | the same direction, norm at most C and within a millionth of it |
    | NaN or infinity anywhere | NonFiniteUpdateError |
    | C so small that float32 holds only zero | zero |

    Args:
        vector: (d,) float32.
        clipping_norm: C, above 0 and finite.

    Raises:
        NonFiniteUpdateError: see the table.
        ValueError: C is not above 0 and finite, or the vector is not flat float32.
    """
    if not (clipping_norm > 0 and math.isfinite(clipping_norm)):
        raise ValueError("the clipping norm must be finite and above 0")
    if vector.ndim != 1 or vector.dtype != np.float32:
        raise ValueError("clipping takes a flat float32 vector")
    if not np.isfinite(vector).all():
        raise NonFiniteUpdateError("the vector to clip holds NaN or infinity")
    wide = vector.astype(np.float64)
    norm = l2_norm(wide)
    if norm <= clipping_norm:
        return vector.copy()
    factor = clipping_norm / norm
    clipped: NDArray[np.float32] = (wide * factor).astype(np.float32)
    while l2_norm(clipped) > clipping_norm:
        factor *= _SHRINK
        clipped = (wide * factor).astype(np.float32)
        if factor < 0.5 * clipping_norm / norm:  # only subnormal numbers round up by so much
            return np.zeros_like(vector)
    return clipped


def l2_norm(vector: NDArray[np.float32] | NDArray[np.float64]) -> float:
    """The L2 norm, squared and summed in float64, where no float32 vector overflows."""
    wide = vector.astype(np.float64)
    return math.sqrt(float(np.dot(wide, wide)))
