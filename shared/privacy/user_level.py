"""User-level accounting: what a federation whose devices clip their whole update gives one user.

Two observers, and nothing wished for. *Everyone* who may know which device took part when: no amplification, the exact
Gaussian mechanism (Balle and Wang, 2018) composed over the participations of the one device that had most. *Whoever
sees only released models*: the same, unless the run's own cohorts were Poisson samples of secret randomness; then
`dp_accounting`'s privacy loss distributions hold (of truncated cohorts, if they were capped).

The relation is zero-out: a user's content is replaced by a zero update, and that the device takes part stays known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import dp_accounting
from dp_accounting import (
    DpEvent,
    GaussianDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    TruncatedSubsampledGaussianDpEvent,
)
from scipy.stats import binom

from shared.privacy.composition import pld_epsilon, total_epsilon
from shared.privacy.distributed_noise import distributed_event
from shared.privacy.guarantee import NO_AMPLIFICATION, Guarantee
from shared.privacy.mechanisms import DistributedMechanism, Sampling, UserMechanism, is_distributed

# Of δ: what the chance that a Poisson sample exceeds a device's cap may cost.
_CAP_SHARE = 0.01
_ASSUMPTIONS = (
    "a device takes part no more often than stated, which it enforces itself, as it clips its update",
    "whether and when a device is online does not depend on its data, and how long it takes to reply is not covered",
    "AES-256 is taken for true randomness, and noise from 128-bit tables for exact (total variation below 1e-20 a run)",
)
_PROMISES = ("that it adds this noise before anyone sees the sum", "that it shows single updates to nobody")


_HOW: dict[UserMechanism, str] = {
    "gaussian": "Gaussian noise of {:g} times the clipping norm on each round's sum",
    "banded-gaussian": "DP-FTRL, correlated Gaussian noise (banded Toeplitz) of {:g} times the run's sensitivity",
    "skellam": "Skellam noise that devices add in parts, together at least {:g} times the sensitivity of each sum, "
    "under secure aggregation",
    "discrete-gaussian": "discrete Gaussian noise that devices add in parts, together at least {:g} times the "
    "sensitivity of each sum, under secure aggregation",
}


@dataclass(frozen=True, kw_only=True)
class Tolerated:
    """What a cohort that adds its own noise can bear.

    Attributes:
        contributors: honest devices whose noise is in every sum at least.
        dropout: share of a cohort that may vanish.
        corrupt: enrolled devices that may work for the server. Not a share of them: the server picks cohorts, and may
            put all its own into one.
    """

    contributors: int
    dropout: float
    corrupt: int

    def assumptions(self) -> tuple[str, ...]:
        """In words."""
        return (
            f"of all the devices that the organiser has enrolled at most {self.corrupt} work for the server or add no "
            "noise, since the server may put them all into one cohort",
            f"no sum that lacks more than a share of {self.dropout:.3g} of them is unmasked, as each device sees to",
            "the masks are Bonawitz et al. (2017) against a malicious server (X25519, Ed25519, AES-256, Shamir)",
        )


@dataclass(frozen=True, kw_only=True)
class UserLevelRun:
    """What a federation did, or plans to do, as far as its guarantee depends on it.

    Attributes:
        mechanism: "gaussian" adds independent noise to every round's sum; "banded-gaussian" correlated noise
            (`shared.privacy.banded_noise`), whose multiplier is relative to the sensitivity over the whole run.
        noise_multiplier: z, standard deviation of the noise over the sensitivity.
        participations: the most that any one device takes part in.
        releases: rounds whose noised sum is released.
        sampling: how cohorts are drawn.
        probability: of each device to be in a round's cohort, where sampling is "poisson".
        devices: that are sampled from, where sampling is "poisson".
        cohort_limit: devices to which larger Poisson cohorts are cut at random; None never cuts.
        tolerated: where devices add the noise; None where the server does.
    """

    mechanism: UserMechanism
    noise_multiplier: float
    participations: int
    releases: int
    sampling: Sampling = "schedule"
    probability: float = 1.0
    devices: int = 1
    cohort_limit: int | None = None
    tolerated: Tolerated | None = None

    def __post_init__(self) -> None:
        if not (self.noise_multiplier > 0 and math.isfinite(self.noise_multiplier)):
            raise ValueError("the noise multiplier must be finite and above 0")
        if self.participations < 0 or self.releases < 0 or self.devices < 1:
            raise ValueError("participations and releases must not be negative, and there must be a device")
        if is_distributed(self.mechanism) != (self.tolerated is not None):
            raise ValueError("distributed noise, and no other, is added by cohorts that tolerate something")
        if self.sampling == "poisson":
            if not 0 < self.probability <= 1:
                raise ValueError("a sampling probability must be above 0 and at most 1")
            if self.mechanism != "gaussian":
                raise ValueError("correlated and distributed noise are accounted without sampling")
        elif self.probability != 1.0 or self.cohort_limit is not None:
            raise ValueError("a schedule has neither a sampling probability nor a cohort limit")

    def event_for_everyone(self) -> DpEvent:
        """What the device that took part most often went through, its participation known."""
        if self.mechanism == "banded-gaussian":  # the whole run is one release
            return GaussianDpEvent(self.noise_multiplier)
        return SelfComposedDpEvent(self._event_of_a_round(), self.participations)

    def _event_of_a_round(self) -> DpEvent:
        if is_distributed(self.mechanism) and self.tolerated is not None:
            return distributed_event(
                self.mechanism,
                noise_multiplier=self.noise_multiplier,
                contributors=self.tolerated.contributors,
            )
        return GaussianDpEvent(self.noise_multiplier)

    def event_for_model_observer(self) -> DpEvent | None:
        """What an observer of models sees who does not know who took part; None where nothing can be claimed."""
        if self.sampling != "poisson" or self.releases == 0:
            return None
        sampled: DpEvent = PoissonSampledDpEvent(self.probability, GaussianDpEvent(self.noise_multiplier))
        if self.cohort_limit is not None:
            sampled = TruncatedSubsampledGaussianDpEvent(
                dataset_size=self.devices,
                sampling_probability=self.probability,
                truncated_batch_size=self.cohort_limit,
                noise_multiplier=self.noise_multiplier,
            )
        return SelfComposedDpEvent(sampled, self.releases)

    def chance_of_passing_the_cap(self) -> float:
        """That some device is drawn more often than it may take part: then the cohorts were not Poisson samples."""
        if self.sampling != "poisson":
            return 0.0
        return float(min(1.0, self.devices * binom.sf(self.participations, self.releases, self.probability)))


def epsilon_for_everyone(run: UserLevelRun, *, delta: float) -> float:
    """ε against everyone who may know who took part when: no amplification; exact but for distributed noise.

    Raises:
        ValueError: so little noise that ε would mean nothing.
    """
    _check_delta(delta)
    # A server that is not trusted sees the sums of rounds that it never releases, too.
    if run.participations == 0 or (run.releases == 0 and run.tolerated is None):
        return 0.0
    return total_epsilon([run.event_for_everyone()], delta=delta)


def epsilon_for_model_observer(run: UserLevelRun, *, delta: float) -> tuple[float, str]:
    """ε against whoever sees only released models, and what it counts on; never above that against everyone."""
    everyone = epsilon_for_everyone(run, delta=delta)
    event = run.event_for_model_observer()
    if event is None or everyone == 0:
        return everyone, NO_AMPLIFICATION
    epsilon = pld_epsilon(event, delta=delta * (1 - _CAP_SHARE))
    # The run is within total variation eta of one without caps: (eps, d)-DP of that is (eps, d + (1 + e^eps) eta)-DP.
    slack = (1 + math.exp(min(epsilon, 700.0))) * run.chance_of_passing_the_cap()
    if epsilon >= everyone or slack > delta * _CAP_SHARE:
        return everyone, NO_AMPLIFICATION
    cut = "" if run.cohort_limit is None else f", cut to {run.cohort_limit}"
    return epsilon, (
        f"amplified by secret Poisson sampling with probability {run.probability:g}{cut}; models alone: the run's "
        "rounds.jsonl and checkpoint tell of cohorts and must stay with the server"
    )


def user_level_guarantee(run: UserLevelRun, *, delta: float) -> Guarantee:
    """The guarantee of a federation whose server, or whose devices, add the noise.

    Raises:
        ValueError: no finite figure, or δ out of range.
    """
    everyone = epsilon_for_everyone(run, delta=delta)
    observer, amplification = epsilon_for_model_observer(run, delta=delta)
    how = _HOW[run.mechanism].format(run.noise_multiplier)
    times = "once" if run.participations == 1 else f"at most {run.participations} times"
    accountant = (
        "exact Gaussian (dp-accounting get_epsilon_gaussian)"
        if run.tolerated is None
        else "Rényi divergence (dp-accounting RdpAccountant of a ZCDpEvent)"
    )
    if amplification != NO_AMPLIFICATION:
        accountant += ", and dp-accounting PLDAccountant for released models"
    return Guarantee(
        unit="user",
        epsilon_server=everyone,
        epsilon_model_observer=observer,
        delta=delta,
        server_is_trusted=run.tolerated is None,
        amplification=amplification,
        mechanism=f"{how}, {run.releases} rounds, each device in them {times}",
        accountant=accountant,
        neighbouring="zero-out",
        assumptions=_ASSUMPTIONS if run.tolerated is None else (*_ASSUMPTIONS, *run.tolerated.assumptions()),
        promises=_PROMISES if run.tolerated is None else (),
    )


def noise_for(
    *, epsilon: float, delta: float, mechanism: UserMechanism, participations: int, contributors: int = 1
) -> float:
    """The smallest noise multiplier, to four digits, that keeps ε against everyone.

    Args:
        contributors: honest devices that add distributed noise at least.

    Raises:
        ValueError: ε, δ or the participations are out of range.
    """
    _check_delta(delta)
    if not (epsilon > 0 and math.isfinite(epsilon)) or participations < 1:
        raise ValueError("calibration needs a finite epsilon above 0 and at least one participation")
    if is_distributed(mechanism):
        return _distributed_noise_for(mechanism, epsilon, delta, participations, contributors)
    composed = 1 if mechanism == "banded-gaussian" else participations
    exact = float(dp_accounting.get_sigma_gaussian(epsilon, delta)) * math.sqrt(composed)
    return _rounded_up(exact)


def _distributed_noise_for(
    mechanism: DistributedMechanism, epsilon: float, delta: float, participations: int, contributors: int
) -> float:
    def reached(noise_multiplier: float) -> float:
        event = distributed_event(mechanism, noise_multiplier=noise_multiplier, contributors=contributors)
        return total_epsilon([SelfComposedDpEvent(event, participations)], delta=delta)

    low, high = 0.01, 0.02
    while reached(high) > epsilon:
        low, high = high, high * 2
        if high > 1e6:
            raise ValueError("no noise multiplier below a million keeps this epsilon")
    while high / low > 1.0001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if reached(middle) > epsilon else (low, middle)
    return _rounded_up(high)


def noise_for_model_observer(run: UserLevelRun, *, epsilon: float, delta: float) -> float:
    """The noise multiplier, to four digits, that keeps ε against observers of models under the run's Poisson sampling.

    Raises:
        ValueError: the run's sampling gives no amplification, or no noise reaches ε.
    """
    if run.sampling != "poisson":
        raise ValueError("only secret Poisson sampling is amplified: calibrate against everyone")
    low, high = 0.1, 1.0
    while _observer(run, high, delta) > epsilon:
        low, high = high, high * 2
        if high > 1000:
            raise ValueError("no noise multiplier below 1000 keeps this epsilon")
    while high / low > 1.0005:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _observer(run, middle, delta) > epsilon else (low, middle)
    return _rounded_up(high)


def _observer(run: UserLevelRun, noise_multiplier: float, delta: float) -> float:
    try:
        return epsilon_for_model_observer(replace(run, noise_multiplier=noise_multiplier), delta=delta)[0]
    except ValueError:  # too little noise for a figure
        return math.inf


def _rounded_up(value: float) -> float:
    digits = 3 - math.floor(math.log10(value))
    return math.ceil(value * 10.0**digits) / 10.0**digits


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError("delta must be between 0 and 1")
