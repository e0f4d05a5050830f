"""Sums modulo 2^b: how wide b must be, and how such vectors travel.

A masked vector and the sum of many are integers modulo 2^b. The sum is read as the number nearest to zero, so b is the
smallest that a sum leaves, noise and all, with probability at most 2^-40. That a sum wraps costs utility; privacy does
not depend on it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from shared.privacy.skellam import tail_bound

LARGEST_BITS = 32
_WRAP = 40 * math.log(2)


class ModulusError(ValueError):
    """A sum does not fit, or a packed vector is not what it should be. Holds no number of it."""


def bits_for_sum(*, vectors: int, dimension: int, norm_bound: float, noise_variance: float) -> int:
    """b for a sum of integer vectors of L2 norm at most `norm_bound` each, and noise.

    Whatever the vectors are: all may have their whole norm in one coordinate.

    Args:
        noise_variance: of one coordinate of the sum; Skellam, or lighter in its tails.

    Raises:
        ModulusError: more than 32 bits.
    """
    return _bits(vectors * norm_bound, dimension, noise_variance)


def bits_for_rotated_sum(*, vectors: int, dimension: int, norm_bound: float, noise_variance: float) -> int:
    """b where vectors were rotated at random before they were rounded (`shared.secagg.rotation`).

    A rotated coordinate is sub-Gaussian with the vector's norm over the root of its dimension (random signs), the sum's
    rounding errors with n / 4 (each is within its unit): Hoeffding's bound for both together.

    Raises:
        ModulusError: more than 32 bits.
    """
    variance_proxy = (vectors * norm_bound) ** 2 / dimension + vectors / 4
    signal = math.sqrt(2 * variance_proxy * (math.log(2 * dimension) + _WRAP))
    return _bits(min(signal, vectors * norm_bound), dimension, noise_variance)


def to_modulus(vector: NDArray[np.int64], bits: int) -> NDArray[np.uint32]:
    """Integers modulo 2^b."""
    return (vector & _mask(bits)).astype(np.uint32)


def centre(total: NDArray[np.uint32], bits: int) -> NDArray[np.int64]:
    """The integers from -2^(b-1) to 2^(b-1) - 1 that a sum modulo 2^b stands for."""
    wide = total.astype(np.int64) & _mask(bits)
    half = 1 << (bits - 1)
    return ((wide + half) & _mask(bits)) - half


def pack(vector: NDArray[np.uint32], bits: int) -> bytes:
    """The lowest b bits of each number, one after the other: ceil(d b / 8) bytes."""
    each = np.unpackbits(vector.astype(">u4").view(np.uint8)).reshape(-1, 32)[:, 32 - bits :]
    return np.packbits(each.reshape(-1)).tobytes()


def unpack(data: bytes, *, dimension: int, bits: int) -> NDArray[np.uint32]:
    """(d,) what `pack` took.

    Raises:
        ModulusError: another length, or bits set behind the last number.
    """
    if len(data) != -(-dimension * bits // 8):
        raise ModulusError("a packed vector has another length")
    flat = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    if flat[dimension * bits :].any():
        raise ModulusError("a packed vector has bits behind its last number")
    whole = np.zeros((dimension, 32), dtype=np.uint8)
    whole[:, 32 - bits :] = flat[: dimension * bits].reshape(dimension, bits)
    return np.packbits(whole).view(">u4").astype(np.uint32)


def _bits(signal: float, dimension: int, noise_variance: float) -> int:
    noise = tail_bound(noise_variance, math.log(2 * dimension) + _WRAP) if noise_variance > 0 else 0.0
    bits = math.ceil(math.log2(2 * (signal + noise) + 1))
    if bits > LARGEST_BITS:
        raise ModulusError(
            f"a sum would need {bits} bits a number, and there are {LARGEST_BITS}: smaller cohorts or less noise"
        )
    return max(bits, 1)


def _mask(bits: int) -> int:
    if not 1 <= bits <= LARGEST_BITS:
        raise ModulusError(f"a modulus has from 1 to {LARGEST_BITS} bits")
    return (1 << bits) - 1
