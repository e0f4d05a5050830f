"""Means that a minority of devices cannot move at will, of flat update vectors, every device counting alike.

Coordinate-wise median and trimmed mean (Yin et al., 2018, arXiv:1803.01498), geometric median (RFA, Pillutla et al.,
2019, arXiv:1912.13445), Krum and Multi-Krum (Blanchard et al., 2017, arXiv:1703.02757). All need single updates: no
secure sum can hide them, and noise calibrated to a sum does not fit them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flwr.serverapp.strategy.fedtrimmedavg import trim_mean
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

_MOST_STEPS = 1000


def median(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(d,) the median of every coordinate, as Flower's FedMedian.

    Raises:
        ValueError: no vectors, or ones that differ in length, are not flat, or hold NaN or infinity.
    """
    found: NDArray[np.float64] = np.median(_stacked(vectors), axis=0)
    return found


def trimmed_mean(vectors: Sequence[NDArray[np.float32]], share: float) -> NDArray[np.float64]:
    """(d,) the mean of every coordinate without the floor(share * devices) least and greatest: Flower's own function.

    Raises:
        ValueError: as `median`, or a share not within 0 and below 1/2.
    """
    found: NDArray[np.float64] = trim_mean(_stacked(vectors), share)
    return found


def geometric_median(vectors: Sequence[NDArray[np.float32]], *, smoothing: float = 1e-6) -> NDArray[np.float64]:
    """(d,) the point with the least sum of distances to all vectors, by smoothed Weiszfeld steps from the mean.

    RFA's algorithm 1: z <- sum w_i v_i / sum w_i with w_i = 1 / max(smoothing, ||z - v_i||), until z moves by less than
    1e-9 of the median distance (or 1,000 steps). Fewer than half of the devices cannot move it out of bounds.

    Args:
        smoothing: nu, a distance in the vectors' unit, above 0: what is closer counts as if it were so far.

    Raises:
        ValueError: as `median`, or a smoothing not above 0.
    """
    if not 0 < smoothing < np.inf:
        raise ValueError("smoothing must be finite and above 0")
    points = _stacked(vectors)
    centre: NDArray[np.float64] = points.mean(axis=0)
    for _ in range(_MOST_STEPS):
        distances = np.array([np.linalg.norm(point - centre) for point in points])
        weights = 1 / np.maximum(smoothing, distances)
        moved: NDArray[np.float64] = (weights / weights.sum()) @ points
        step = np.linalg.norm(moved - centre)
        centre = moved
        if step <= 1e-9 * np.median(distances):  # a liar sets their mean
            break
    return centre


def krum(vectors: Sequence[NDArray[np.float32]], *, corrupt: int) -> NDArray[np.float64]:
    """(d,) the vector with the least sum of squared distances to its devices - corrupt - 2 nearest; the first if equal.

    Raises:
        ValueError: as `multi_krum`.
    """
    return multi_krum(vectors, corrupt=corrupt, kept=1)


def multi_krum(vectors: Sequence[NDArray[np.float32]], *, corrupt: int, kept: int) -> NDArray[np.float64]:
    """(d,) the mean of the `kept` vectors with the best Krum scores.

    As Flower's `select_multikrum`, but with distances of differences in float64: Flower's, of norms and inner products
    in float32, drown in rounding when a device sends a large vector.

    Raises:
        ValueError: as `median`, a negative `corrupt`, devices fewer than 2 corrupt + 3 (below which Krum promises
            nothing), or `kept` not within 1 and devices - corrupt.
    """
    points = _stacked(vectors)
    if corrupt < 0 or len(points) < 2 * corrupt + 3:
        raise ValueError(f"Krum with {corrupt} corrupt devices needs at least {2 * max(corrupt, 0) + 3}")
    if not 1 <= kept <= len(points) - corrupt:
        raise ValueError("Multi-Krum keeps at least one vector and at most as many as devices are honest")
    distances: NDArray[np.float64] = np.sort(squareform(pdist(points, "sqeuclidean")), axis=1)
    scores = distances[:, 1 : len(points) - corrupt - 1].sum(axis=1)  # each is nearest to itself
    found: NDArray[np.float64] = points[np.argsort(scores, kind="stable")[:kept]].mean(axis=0)
    return found


def _stacked(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    if not vectors:
        raise ValueError("there is no mean of no vectors")
    if any(vector.ndim != 1 or vector.shape != vectors[0].shape for vector in vectors):
        raise ValueError("vectors must be flat and of one length")
    points = np.stack(vectors).astype(np.float64)
    if not np.isfinite(points).all():
        raise ValueError("a vector holds NaN or infinity")
    return points
