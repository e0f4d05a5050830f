"""A random rotation that spreads a vector over all its coordinates: random signs, then the Walsh-Hadamard transform.

Rotated vectors have no large coordinate, so that their sum needs fewer bits (`shared.secagg.modulus`). The rotation is
orthogonal and public: norms, sensitivity and noise are what they were.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from shared.privacy.noise import AesCtrNoise


def padded_dimension(dimension: int) -> int:
    """D, the next power of two."""
    return 1 << (dimension - 1).bit_length()


class HadamardRotation:
    """Rotates (d,) into (D,), D the next power of two, and back."""

    def __init__(self, dimension: int, *, seed: bytes) -> None:
        """Args:
            dimension: d.
            seed: public, the same for a whole cohort.

        Raises:
            ValueError: d is not at least 1.
        """
        if dimension < 1:
            raise ValueError("a rotation needs a dimension of at least 1")
        self._dimension = dimension
        self.padded = padded_dimension(dimension)
        words = AesCtrNoise(hashlib.sha256(b"tacit/rotation/" + seed).digest()).words(self.padded // 64 + 1)
        bits = np.unpackbits(words.view(np.uint8))[: self.padded]
        self._signs = 1.0 - 2.0 * bits.astype(np.float64)

    def rotate(self, vector: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
        """(D,) of the same norm."""
        padded = np.zeros(self.padded, dtype=np.float64)
        padded[: self._dimension] = vector
        return _walsh_hadamard(padded * self._signs)

    def back(self, rotated: NDArray[np.float64]) -> NDArray[np.float64]:
        """(d,) the inverse; what the padding held is dropped."""
        return (_walsh_hadamard(rotated) * self._signs)[: self._dimension]


def _walsh_hadamard(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal, and its own inverse; D log D additions."""
    size, half = vector.size, 1
    values = vector.copy()
    while half < size:
        pairs = values.reshape(-1, 2, half)
        left, right = pairs[:, 0, :] + pairs[:, 1, :], pairs[:, 0, :] - pairs[:, 1, :]
        values = np.stack([left, right], axis=1).reshape(-1)
        half *= 2
    values /= np.sqrt(size)
    return values
