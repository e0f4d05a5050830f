"""Noise that devices add in parts, so that nobody ever sees a sum without it, and what it comes to.

At least `contributors` honest members are in every sum that can be unmasked (`shared.secagg`): the threshold, less
those that may be corrupt. Each adds so much that they alone reach the noise multiplier z; whoever else is there adds
more, which is post-processing. Nothing is sampled: the figures hold against the server and everyone else.

    Skellam             Agarwal, Kairouz and Liu (2021), corollary 4.1: for integer orders a > 1
                        RDP(a) <= a D2²/2v + min{((2a - 1) D2² + 6 D1)/4v², 3 D1/2v}, v the sum's variance
    discrete Gaussian   nearly closed under sums: |log ratio| of a coordinate's masses to those of one discrete Gaussian
                        is at most 5 Σ_k exp(-2π²σ²k/(k+1)) (Kairouz, Liu and Steinke, 2021, corollary 12)

D2 and D1 are the exact L2 and L1 sensitivities in grid units. Both bounds are of the form ξ + ρa, dp-accounting's
`ZCDpEvent`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from dp_accounting import ZCDpEvent
from numpy.typing import NDArray

from shared.privacy.discrete_gaussian import LARGEST_SIGMA, LEAST_SUMMED_SIGMA, discrete_gaussian
from shared.privacy.integer_grid import FINENESS, LEAST_SCALE
from shared.privacy.mechanisms import DistributedMechanism
from shared.privacy.noise import NoiseSource
from shared.privacy.skellam import LARGEST_VARIANCE, SMALLEST_VARIANCE, skellam

_TYPICAL_ORDER = 16
_LARGEST_DIMENSION = 2**28  # no adapter shares more (`shared.messages`)


@dataclass(frozen=True, kw_only=True)
class NoiseShare:
    """What one device adds.

    Attributes:
        mechanism: of the noise.
        noise_multiplier: z, standard deviation of the guaranteed noise over the L2 sensitivity.
        norm_bound: D2, L2 norm of an encoded vector at most, in grid units.
        contributors: honest members in a sum, at least.
    """

    mechanism: DistributedMechanism
    noise_multiplier: float
    norm_bound: float
    contributors: int

    def __post_init__(self) -> None:
        if self.contributors < 1 or not self.noise_multiplier > 0:
            raise ValueError("distributed noise needs a contributor, and a noise multiplier above 0")
        if self.mechanism == "skellam" and not SMALLEST_VARIANCE <= self.variance <= LARGEST_VARIANCE:
            raise ValueError("a device's part of the noise is so small or so large that there is no table of it")
        if self.mechanism == "discrete-gaussian" and math.sqrt(self.variance) > LARGEST_SIGMA:
            raise ValueError("a device's part of the noise is so large that there is no table of it")
        if self.mechanism == "discrete-gaussian" and math.sqrt(self.variance) < LEAST_SUMMED_SIGMA:
            raise ValueError("so little noise a device does not add up to a discrete Gaussian: use Skellam")

    @property
    def variance(self) -> float:
        """Of one coordinate of one device's noise, in grid units squared."""
        return (self.noise_multiplier * self.norm_bound) ** 2 / self.contributors

    def draw(self, size: int, source: NoiseSource) -> NDArray[np.int64]:
        """(size,) a device's noise. Raises: ValueError: there is no table for so much or so little."""
        if self.mechanism == "skellam":
            return skellam(self.variance).draw(size, source)
        return discrete_gaussian(math.sqrt(self.variance)).draw(size, source)


def distributed_event(mechanism: DistributedMechanism, *, noise_multiplier: float, contributors: int) -> ZCDpEvent:
    """One participation, whatever the dimension: the worst that `IntegerGrid` allows.

    Its D2 is at least 256 and D1 at most D2² / 5, and what Skellam and the discrete Gaussian lose against the Gaussian
    only falls with D2.
    """
    if mechanism == "skellam":
        return skellam_event(
            l2=LEAST_SCALE, l1=LEAST_SCALE**2 / FINENESS, variance=(noise_multiplier * LEAST_SCALE) ** 2
        )
    return discrete_gaussian_event(noise_multiplier=noise_multiplier, contributors=contributors)


def skellam_event(*, l2: float, l1: float, variance: float) -> ZCDpEvent:
    """Skellam noise in a sum of integer vectors; the tighter branch of the bound. For integer orders only.

    Args:
        l2, l1: sensitivities.
        variance: of one coordinate of the sum's noise.
    """
    gaussian = l2**2 / (2 * variance)
    near = ZCDpEvent(rho=gaussian + l2**2 / (2 * variance**2), xi=max(0.0, (6 * l1 - l2**2) / (4 * variance**2)))
    far = ZCDpEvent(rho=gaussian, xi=3 * l1 / (2 * variance))
    return min(near, far, key=lambda event: event.xi + event.rho * _TYPICAL_ORDER)


def discrete_gaussian_event(*, noise_multiplier: float, contributors: int) -> ZCDpEvent:
    """A sum of discrete Gaussians, each of sigma at least 2. For orders of at least 2.

    With τ = |log ratio| of one coordinate, the sum's density is within exp(±dτ) of a discrete Gaussian's, so that
    RDP(a) <= a/2z² + dτ (2a - 1)/(a - 1), and the last factor is at most 3. With the largest d there is.
    """
    per_member = math.exp(-((math.pi * LEAST_SUMMED_SIGMA) ** 2))  # k / (k + 1) is at least 1/2
    tau = 5 * (contributors - 1) * per_member
    return ZCDpEvent(rho=1 / (2 * noise_multiplier**2), xi=3 * _LARGEST_DIMENSION * tau)
