"""How loud a run's noise is beside what devices say: the number that decides whether anything can be learned."""

from __future__ import annotations

import math

import numpy as np

from shared.privacy.banded_noise import BandedToeplitz
from shared.privacy.mechanisms import UserMechanism


def noise_norm_over_clipping(
    *,
    mechanism: UserMechanism,
    noise_multiplier: float,
    dimension: int,
    cohort_size: int,
    rounds: int,
    participations: int,
    separation: int,
    over_provision: float = 1.0,
) -> float:
    """Expected L2 norm of the noise on a round's mean update, over the clipping norm: z sqrt(d) / n.

    Of correlated noise, which partly cancels: that of the independent noise that leaves as much in the rounds' running
    sums (root mean square over the rounds).

    Args:
        noise_multiplier: z.
        dimension: d.
        cohort_size: n.
        participations, separation: of a device, where the noise is correlated.
        over_provision: how much louder a full cohort's noise is than what is counted on, where devices add it.
    """
    scale = noise_multiplier * over_provision
    if mechanism == "banded-gaussian":
        factor = BandedToeplitz(bands=min(separation, rounds))
        scale *= factor.sensitivity(participations) * _running_sum_error(factor, rounds) / math.sqrt((rounds + 1) / 2)
    return scale * math.sqrt(dimension) / cohort_size


def _running_sum_error(factor: BandedToeplitz, rounds: int) -> float:
    """Root mean square over the rounds of the noise in the running sum, for noise of one eighth in Y."""
    inverse = factor.inverse(rounds)
    sums = np.cumsum(inverse)  # of C^-1's columns: Toeplitz, so one column says all
    return float(np.sqrt(np.mean(np.cumsum(sums**2))))
