"""What a careful attacker makes of several observations: the weights that set a canary off most from the noise.

Observations of one run are noised sums of several rounds, and what colluding devices know of the noise. If noise is
independent, the best weights only add up the rounds in which the canary was. If some of it is known, reused or
correlated, the covariance tells, and the best weights (Fisher's, Σ⁻¹m) take that part off: whatever mistake makes noise
predictable is attacked without knowing which mistake it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Of the largest number seen: what is smaller is rounding, and noise that was forgotten.
_FLOOR = 1e-6


def noise_covariance(noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """(p, p) of observations (n, p) of directions in which there was no canary.

    Raises:
        ValueError: n is not above 2 p.
    """
    count, size = noise.shape
    if count <= 2 * size:
        raise ValueError("too few held-out directions to learn how the noise of so many observations hangs together")
    return np.asarray(noise.T @ noise / count)


def matched_filter(covariance: NDArray[np.float64], response: ArrayLike, *, largest: float) -> NDArray[np.float64]:
    """(p,) weights under which the noise has standard deviation 1.

    Args:
        covariance: (p, p) of the noise of the observations.
        response: (p,) what a canary adds to each.
        largest: absolute value of any observation, also of canaries.
    """
    whole = covariance + max((_FLOOR * largest) ** 2, 1e-200) * np.eye(len(covariance))
    scale = np.sqrt(np.diag(whole))
    weights = np.linalg.solve(whole / np.outer(scale, scale), np.asarray(response, dtype=np.float64) / scale) / scale
    return np.asarray(weights / np.sqrt(weights @ whole @ weights))
