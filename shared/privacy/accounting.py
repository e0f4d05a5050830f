"""Pair-level accounting of local DP-SGD, by `dp_accounting`'s privacy loss distributions."""

from __future__ import annotations

import math

from dp_accounting import (
    GaussianDpEvent,
    NeighboringRelation,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    get_epsilon_gaussian,
)
from dp_accounting.pld import PLDAccountant

from shared.privacy.guarantee import Guarantee

_INTERVAL = 1e-3
# Of the same steps without sampling: beyond it, the accountant's grid of `_INTERVAL` would not fit in memory.
_LARGEST_EPSILON = 5000.0
_ASSUMPTIONS = (
    "each device's own update carries this noise, so every observer has the same figure and hiding in a cohort is not "
    "counted",
    "a device takes part at most as often as stated, and answering one request again over changed pairs is taking part "
    "again; this version's devices check neither that nor the noise that a plan asks of them",
    "how long a device takes to reply is not covered",
    "other pairs of the same user are not covered, nor the persona in the prompts, which is made from other messages",
    "the noise is drawn in floating point, which attacks on low-order bits can exploit",
)


def pair_level_epsilon(*, noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """ε of `steps` DP-SGD steps for one pair added or removed.

    Every step is the Gaussian mechanism with standard deviation `noise_multiplier` times the sensitivity, on a Poisson
    sample of the pairs.

    Args:
        noise_multiplier: z, above 0.
        sample_rate: q, above 0 and at most 1.
        steps: over all participations; 0 gives 0.
        delta: δ, between 0 and 1.

    Raises:
        ValueError: a figure out of range, or so little noise that ε would mean nothing.
    """
    if not noise_multiplier > 0 or not 0 < sample_rate <= 1 or steps < 0 or not 0 < delta < 1:
        raise ValueError("accounting needs noise_multiplier > 0, 0 < sample_rate <= 1, steps >= 0 and 0 < delta < 1")
    if steps == 0:
        return 0.0
    if get_epsilon_gaussian(noise_multiplier / math.sqrt(steps), delta) > _LARGEST_EPSILON:
        raise ValueError(
            f"noise multiplier {noise_multiplier:g} over {steps} steps is too little for an ε that means anything: "
            "more noise or fewer steps are needed"
        )
    step = GaussianDpEvent(noise_multiplier)
    sampled = step if sample_rate == 1 else PoissonSampledDpEvent(sample_rate, step)
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE, value_discretization_interval=_INTERVAL)
    accountant.compose(SelfComposedDpEvent(sampled, steps))
    epsilon = float(accountant.get_epsilon(delta))
    if not math.isfinite(epsilon):
        raise ValueError("the accountant found no finite epsilon: more noise or fewer steps are needed")
    return epsilon


def pair_level_guarantee(
    *, noise_multiplier: float, sample_rate: float, local_steps: int, max_participations: int, delta: float
) -> Guarantee:
    """The guarantee of a federation whose devices train with DP-SGD.

    Args:
        noise_multiplier, sample_rate: of `client.private_step.PairPrivacy`.
        local_steps: per participation.
        max_participations: the most rounds that a device takes part in.
        delta: δ.

    Raises:
        ValueError: a figure out of range.
    """
    epsilon = pair_level_epsilon(
        noise_multiplier=noise_multiplier,
        sample_rate=sample_rate,
        steps=local_steps * max_participations,
        delta=delta,
    )
    return Guarantee(
        unit="pair",
        epsilon_server=epsilon,
        epsilon_model_observer=epsilon,
        delta=delta,
        mechanism=(
            f"DP-SGD on the device: Gaussian noise multiplier {noise_multiplier:g}, Poisson sampling rate "
            f"{sample_rate:g}, {local_steps} steps in each of at most {max_participations} participations"
        ),
        accountant="dp-accounting PLDAccountant",
        neighbouring="add-or-remove-one",
        assumptions=_ASSUMPTIONS,
    )
