"""What noise a target ε asks for, by each mechanism, and whether anything can be learned through it.

The verdict's limits are the embedded world's. With an expected noise norm of `FINE` times the clipping norm on a
round's mean nearly all of the gain was left (`tacit-sim privacy utility`); `LOST` is where a prototype with a smaller
step fell off a cliff, and with a larger step it comes sooner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from shared.adapter_methods import Method
from shared.flat_config import ConfigError
from shared.plan_terms import SecureAggregationTerms
from shared.privacy.banded_noise import BandedToeplitz
from shared.privacy.integer_grid import IntegerGrid
from shared.privacy.mechanisms import UserMechanism
from shared.privacy.noise_norm import noise_norm_over_clipping
from shared.privacy.rounded_gaussian import LARGEST_SIGMA
from shared.privacy.user_level import (
    Tolerated,
    UserLevelRun,
    epsilon_for_everyone,
    epsilon_for_model_observer,
    noise_for,
    noise_for_model_observer,
)
from shared.round_plan import FederationPlan
from simulations.model_shapes import shared_numbers

FINE, LOST = 0.5, 2.5
GAUSSIAN, MASKED = "Gaussian, schedule", "Skellam, masks"


@dataclass(frozen=True, kw_only=True)
class NoiseOption:
    """Attributes:
    name: of the mechanism, and what it is calibrated against.
    cohort, delta: n and δ.
    noise_multiplier: z.
    noise_norm: expected L2 norm of the noise on a round's mean, over C.
    epsilon_everyone, epsilon_model_observer: what it then gives.
    verdict: in the embedded world's terms; or that the noise's table would be too large (`rounded_gaussian`).
    cohort_needed: n at which the noise norm would be `FINE`, all else equal.
    """

    name: str
    cohort: int
    delta: float
    noise_multiplier: float
    noise_norm: float
    epsilon_everyone: float
    epsilon_model_observer: float
    verdict: str
    cohort_needed: int


def _verdict(norm: float, sigma: float) -> str:
    if sigma > LARGEST_SIGMA:
        return "too loud to draw"
    return "little is lost" if norm <= FINE else "some is lost" if norm <= LOST else "nothing survives"


def plan_noise(
    *, users: int, cohort: int, rounds: int, participations: int, epsilon: float, delta: float, dimension: int
) -> list[NoiseOption]:
    """What each mechanism needs for ε.

    Raises:
        ValueError: more participations are planned than allowed, or a figure is out of range.
    """
    if cohort > users or cohort * rounds > users * participations:
        raise ValueError(
            f"{rounds} rounds of {cohort} devices, each in at most {participations}, need "
            f"{-(-cohort * rounds // participations):,} devices, and there are {users:,}"
        )

    def option(name: str, mechanism: UserMechanism, run: UserLevelRun, separation: int = 1) -> NoiseOption:
        norm = noise_norm_over_clipping(
            mechanism=mechanism,
            noise_multiplier=run.noise_multiplier,
            dimension=dimension,
            cohort_size=cohort,
            rounds=rounds,
            participations=run.participations,
            separation=separation,
        )
        factor = BandedToeplitz(bands=min(separation, rounds))
        sensitivity = factor.sensitivity(run.participations) if mechanism == "banded-gaussian" else 1.0
        grid = IntegerGrid(dimension=dimension, clipping_norm=1.0)
        sigma = run.noise_multiplier * sensitivity * grid.norm_bound
        return NoiseOption(
            name=name,
            cohort=cohort,
            delta=delta,
            noise_multiplier=run.noise_multiplier,
            noise_norm=norm,
            epsilon_everyone=epsilon_for_everyone(run, delta=delta),
            epsilon_model_observer=epsilon_for_model_observer(run, delta=delta)[0],
            verdict=_verdict(norm, sigma),
            cohort_needed=math.ceil(norm / FINE * cohort),
        )

    found = []
    mechanism: UserMechanism
    for name, mechanism in ((GAUSSIAN, "gaussian"), ("DP-FTRL, schedule", "banded-gaussian")):
        noise = noise_for(epsilon=epsilon, delta=delta, mechanism=mechanism, participations=participations)
        run = UserLevelRun(mechanism=mechanism, noise_multiplier=noise, participations=participations, releases=rounds)
        found.append(option(name, mechanism, run, separation=min(users // cohort, rounds)))
    # The cap that a Poisson sample passes too rarely to matter; everyone who knows the cohorts is told of all of it.
    poisson = UserLevelRun(
        mechanism="gaussian",
        noise_multiplier=1.0,
        participations=rounds,
        releases=rounds,
        sampling="poisson",
        probability=cohort / users,
        devices=users,
    )
    if cohort < users:
        noise = noise_for_model_observer(poisson, epsilon=epsilon, delta=delta)
        found.append(option("Poisson, for models", "gaussian", replace(poisson, noise_multiplier=noise)))
    with suppress(ConfigError):  # so small a cohort cannot do without the devices that may vanish
        found.append(_under_masks(cohort, rounds, participations, epsilon, delta, dimension))
    return found


def _under_masks(
    cohort: int, rounds: int, participations: int, epsilon: float, delta: float, dimension: int
) -> NoiseOption:
    """Secure aggregation as a plan has it by default, of a full cohort of which nobody vanishes.

    Raises:
        ConfigError: the cohort is too small to do without the devices that may vanish.
    """
    secure = SecureAggregationTerms()
    plan = FederationPlan(cohort_size=cohort, devices=cohort, secure_aggregation=secure)
    tolerated = Tolerated(
        contributors=plan.least_contributors,
        dropout=secure.dropout,
        corrupt=min(part.corrupt for part in plan.parts()),
    )
    noise = noise_for(
        epsilon=epsilon, delta=delta, mechanism="skellam", participations=participations,
        contributors=tolerated.contributors,
    )  # fmt: skip
    run = UserLevelRun(
        mechanism="skellam", noise_multiplier=noise, participations=participations, releases=rounds,
        tolerated=tolerated,
    )  # fmt: skip
    norm = noise_norm_over_clipping(
        mechanism="skellam", noise_multiplier=noise, dimension=dimension, cohort_size=cohort, rounds=rounds,
        participations=participations, separation=1, over_provision=plan.over_provision,
    )  # fmt: skip
    reached = epsilon_for_everyone(run, delta=delta)
    return NoiseOption(
        name=MASKED, cohort=cohort, delta=delta, noise_multiplier=noise, noise_norm=norm,
        epsilon_everyone=reached, epsilon_model_observer=reached, verdict=_verdict(norm, 0.0),
        cohort_needed=math.ceil((norm / FINE) ** 2 * cohort) if cohort > secure.part_size
        else math.ceil(norm / FINE * cohort),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SizeOption:
    """One method at one rank, under the cheapest mechanisms.

    Attributes:
        method, rank, numbers: d, what an update holds.
        central, masked: noise over C, with a trusted server (Gaussian by schedule) and under masks (Skellam); None
            where the cohort is too small for masks.
        central_verdict, masked_verdict: what that means, as `NoiseOption.verdict`; "" where there is none.
    """

    method: Method
    rank: int
    numbers: int
    central: float
    masked: float | None
    central_verdict: str
    masked_verdict: str


# What is worth a look: ranks as people take them, and cores of a size to match.
_RANKS: dict[Method, tuple[int, ...]] = {
    "ffa-lora": (1, 2, 4, 16),
    "fedsvd": (1, 4),
    "fedit": (1, 4),
    "fed-sb": (4, 10, 16, 32),
}


def plan_sizes(options: Sequence[NoiseOption], *, shape: str, dimension: int) -> list[SizeOption]:
    """How loud the noise is for other methods and ranks than the ones that `options` were made for.

    Noise over C grows with the square root of the numbers shared and depends on nothing else of a method.

    Args:
        options: of `plan_noise` with `dimension`.
    """
    central = next(option for option in options if option.name == GAUSSIAN)
    masked = next((option for option in options if option.name == MASKED), None)
    found = []
    for method, ranks in _RANKS.items():
        for rank in ranks:
            numbers = shared_numbers(shape, rank=rank, method=method).up
            growth = math.sqrt(numbers / dimension)
            under_masks = None if masked is None else masked.noise_norm * growth
            found.append(
                SizeOption(
                    method=method,
                    rank=rank,
                    numbers=numbers,
                    central=central.noise_norm * growth,
                    masked=under_masks,
                    central_verdict=_verdict(central.noise_norm * growth, 0.0),
                    masked_verdict="" if under_masks is None else _verdict(under_masks, 0.0),
                )
            )
    return sorted(found, key=lambda option: option.numbers)
