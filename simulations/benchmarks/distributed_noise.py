"""The error of a mean whose noise devices add in parts, over that of one whose noise a trusted server adds, at equal ε.

Both are calibrated by the same accountant (Rényi divergence). Without anything to tolerate the two differ by what
integers and Skellam cost; every member that may vanish or lie costs noise that the others add for it.
"""

from __future__ import annotations

import os

import numpy as np
from dp_accounting import GaussianDpEvent

from server.central_noise import CentralGaussian
from shared.plan_terms import UserPrivacyTerms
from shared.privacy.composition import rdp_epsilon
from shared.privacy.integer_grid import IntegerGrid
from shared.privacy.noise import AesCtrNoise
from shared.privacy.user_level import noise_for
from shared.secagg.session_terms import choose_threshold
from shared.secagg.sum_encoding import SumEncoding

EPSILON, DELTA = 4.0, 1e-5
TOLERANCES = ((0.0, 0.0), (0.1, 0.0), (0.2, 0.0), (1 / 3, 0.0), (1 / 3, 0.1))


def errors(
    *, members: int, dimension: int, tolerances: tuple[tuple[float, float], ...] = TOLERANCES
) -> list[dict[str, float]]:
    """For each (dropout, corrupt): root mean square error under distributed noise over that under central noise."""
    generator = np.random.default_rng(0)
    updates = []
    for _ in range(members):
        drawn = generator.normal(size=dimension)
        updates.append((drawn / np.linalg.norm(drawn)).astype(np.float32))
    true = np.sum(updates, axis=0, dtype=np.float64)
    terms = UserPrivacyTerms(noise_multiplier=_central_noise())
    central = CentralGaussian(terms, IntegerGrid(dimension=dimension, clipping_norm=1.0))
    base = _spread(central.release(updates) - true)
    found = []
    for dropout, corrupt in tolerances:
        threshold, spoilt = choose_threshold(members, dropout=dropout, corrupt=corrupt)
        noise = noise_for(epsilon=EPSILON, delta=DELTA, mechanism="skellam", participations=1)
        encoding = SumEncoding(
            dimension=dimension,
            clipping_norm=1.0,
            members=members,
            contributors=threshold - spoilt,
            mechanism="skellam",
            noise_multiplier=noise,
        )
        total = np.zeros(dimension, dtype=np.int64)
        for update in updates:
            total += encoding.encode(update, AesCtrNoise(os.urandom(32)))
        half = 1 << (encoding.bits - 1)
        centred = (total + half) % (2 * half) - half
        found.append(
            {
                "dropout": dropout,
                "corrupt": corrupt,
                "error_ratio": _spread(encoding.decode(centred) - true) / base,
                "bits": float(encoding.bits),
            }
        )
    return found


def _central_noise() -> float:
    """z of the Gaussian by the accountant that Skellam is calibrated with: exactly it is a little less."""
    low, high = 0.1, 100.0
    while high / low > 1.0001:
        middle = (low * high) ** 0.5
        epsilon = rdp_epsilon(GaussianDpEvent(middle), delta=DELTA)
        low, high = (middle, high) if epsilon is None or epsilon > EPSILON else (low, middle)
    return high


def _spread(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))
