"""Whether what was sent is noise to whoever reads it: uniform over its modulus, and like nothing that is hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.secagg.modulus import centre, pack

_BINS = 8  # bits
_FEWEST = 5.0  # expected in a bin, for chi-square


def uniformity(vector: NDArray[np.uint32], bits: int) -> float:
    """p of a vector of numbers modulo 2^b being uniform: the least of three tests, times three.

    Chi-square of the highest and of the lowest bits, and Kolmogorov and Smirnov of the whole numbers.
    """
    from scipy.stats import chisquare, kstest  # costs a third of a second

    wide = min(_BINS, bits, max(1, int(math.log2(vector.size / _FEWEST))))
    parts = (vector >> np.uint32(bits - wide), vector & np.uint32((1 << wide) - 1))
    tests = [float(chisquare(np.bincount(part, minlength=1 << wide)).pvalue) for part in parts]
    tests.append(float(kstest((vector + 0.5) / 2.0**bits, "uniform").pvalue))
    return min(1.0, 3 * min(tests))


def entropy(vector: NDArray[np.uint32], bits: int) -> float:
    """Bits a byte of a vector's bytes as they travel, of at most 8; a short vector shows less than there is."""
    counts = np.bincount(np.frombuffer(pack(vector, bits), dtype=np.uint8), minlength=256)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def likeness(vector: NDArray[np.uint32], clear: NDArray[np.floating], bits: int) -> float:
    """How much of a clear vector is in one modulo 2^b, in standard deviations of chance: N(0, 1) under masks.

    The inner product of both, the first centred; a uniform number has the variance 4^b / 12.
    """
    norm = float(np.linalg.norm(clear))
    if norm == 0:
        return 0.0
    return float(centre(vector, bits) @ clear) / (norm * 2.0**bits / math.sqrt(12))


def likeness_unmasked(vector: NDArray[np.uint32], clear: NDArray[np.floating], bits: int) -> float:
    """The same against the vector's own length: how like a vector without masks would be."""
    values = centre(vector, bits).astype(np.float64)
    lengths = float(np.linalg.norm(values) * np.linalg.norm(clear))
    return 0.0 if lengths == 0 else float(values @ clear) / lengths * math.sqrt(clear.size)


def chance_of(normals: Sequence[float]) -> float:
    """p of independent N(0, 1) values being as far from 0 as these, by the sum of their squares."""
    from scipy.stats import chi2

    values = np.asarray(normals, dtype=np.float64)
    return float(chi2.sf(float((values**2).sum()), len(values))) if len(values) else 1.0


def least_of(values: Sequence[float]) -> float:
    """The least of several p, for as many tests (Bonferroni)."""
    return min(1.0, len(values) * min(values)) if len(values) else 1.0
