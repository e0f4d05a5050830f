"""Pair-level accounting of local DP-SGD, by `dp_accounting`'s privacy loss distributions."""

from __future__ import annotations

from dp_accounting import DpEvent, GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent

from shared.privacy.composition import pld_epsilon
from shared.privacy.guarantee import Guarantee

_ASSUMPTIONS = (
    "each device's own update carries this noise, so every observer has the same figure, the server among them, and "
    "hiding in a cohort is not counted",
    "a device takes part no more often than the run asked (its own ledger counts), and adds the noise itself",
    "other pairs of the same user are not covered, nor the persona in the prompts, which is made from all "
    "conversations, nor how filters and de-duplication let one pair decide about another",
    "how long a device takes to reply is not covered",
    "the noise is drawn in floating point, which attacks on low-order bits can exploit",
)


def pair_level_event(*, noise_multiplier: float, sample_rate: float, steps: int) -> DpEvent:
    """`steps` DP-SGD steps: Gaussian noise z times the sensitivity on Poisson samples of the pairs.

    Raises:
        ValueError: a figure out of range.
    """
    if not noise_multiplier > 0 or not 0 < sample_rate <= 1 or steps < 0:
        raise ValueError("accounting needs noise_multiplier > 0, 0 < sample_rate <= 1 and steps >= 0")
    step = GaussianDpEvent(noise_multiplier)
    return SelfComposedDpEvent(step if sample_rate == 1 else PoissonSampledDpEvent(sample_rate, step), steps)


def pair_level_epsilon(*, noise_multiplier: float, sample_rate: float, steps: int, delta: float) -> float:
    """ε of `steps` DP-SGD steps for one pair whose content is replaced by nothing.

    Args:
        noise_multiplier: z, above 0.
        sample_rate: q, above 0 and at most 1.
        steps: over all participations; 0 gives 0.
        delta: δ, between 0 and 1.

    Raises:
        ValueError: a figure out of range, or so little noise that ε would mean nothing.
    """
    event = pair_level_event(noise_multiplier=noise_multiplier, sample_rate=sample_rate, steps=steps)
    if not 0 < delta < 1:
        raise ValueError("delta must be between 0 and 1")
    if steps == 0:
        return 0.0
    try:
        return pld_epsilon(event, delta=delta)
    except ValueError as error:
        raise ValueError(f"noise multiplier {noise_multiplier:g} over {steps} steps: {error}") from None


def pair_level_guarantee(
    *,
    noise_multiplier: float,
    sample_rate: float,
    local_steps: int,
    max_participations: int,
    max_pairs: int,
    delta: float,
) -> Guarantee:
    """The guarantee of a federation whose devices train with DP-SGD.

    Args:
        noise_multiplier, sample_rate: of `client.private_step.PairPrivacy`.
        local_steps: per participation.
        max_participations: the most rounds that a device takes part in.
        max_pairs: the most pairs of a device that a round may draw from.
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
        server_is_trusted=False,
        mechanism=(
            f"DP-SGD on the device: Gaussian noise multiplier {noise_multiplier:g}, Poisson sampling rate "
            f"{sample_rate:g} of at most {max_pairs} pairs a round, {local_steps} steps in each of at most "
            f"{max_participations} participations"
        ),
        accountant="dp-accounting PLDAccountant",
        neighbouring="zero-out",
        assumptions=_ASSUMPTIONS,
    )
