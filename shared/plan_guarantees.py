"""What a plan promises, and what the run that followed it has given: the one way from a plan to its guarantees.

Server, device, simulation and verifier all come here, so that they cannot state different figures for one run.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.privacy.guarantee import Guarantee
from shared.privacy.pair_level import pair_level_guarantee
from shared.privacy.user_level import Tolerated, UserLevelRun, user_level_guarantee
from shared.round_plan import FederationPlan


@dataclass(frozen=True, kw_only=True)
class PlanGuarantees:
    """Two separate statements; None where the plan makes none."""

    user: Guarantee | None
    pair: Guarantee | None


def most_participations(plan: FederationPlan, *, devices: int, requests: int) -> int:
    """The most that one device can have answered after so many different requests to cohorts.

    Args:
        devices: that began the run.
        requests: attempts of rounds, released or not.
    """
    if plan.user_privacy is None:
        return requests  # no device counts for itself: a schedule would be the server's word
    if plan.secure_aggregation is not None:
        # Nobody trusts this server: neither its schedule nor its ledger, only the device's own cap.
        return min(plan.rounds * plan.attempts, plan.user_privacy.participations)
    scheduled = requests
    if plan.sampling == "schedule":
        scheduled = -(-requests * plan.cohort_size // max(devices, 1))
    return min(scheduled, plan.user_privacy.participations)


def user_level_run(plan: FederationPlan, *, devices: int, requests: int, releases: int) -> UserLevelRun | None:
    """The part of a run that its user-level guarantee depends on; None if it has none."""
    terms = plan.user_privacy
    if terms is None:
        return None
    poisson = plan.sampling == "poisson"
    return UserLevelRun(
        mechanism=terms.mechanism,
        noise_multiplier=terms.noise_multiplier,
        participations=most_participations(plan, devices=devices, requests=requests),
        releases=releases,
        sampling=plan.sampling,
        probability=plan.cohort_size / plan.devices if poisson else 1.0,
        devices=devices,
        cohort_limit=terms.cohort_limit,
        tolerated=_tolerated(plan),
    )


def _tolerated(plan: FederationPlan) -> Tolerated | None:
    secure = plan.secure_aggregation
    if secure is None:
        return None
    return Tolerated(
        contributors=plan.least_contributors,
        dropout=secure.dropout,
        corrupt=min(part.corrupt for part in plan.parts()),
    )


def plan_guarantees(plan: FederationPlan, *, devices: int, requests: int, releases: int) -> PlanGuarantees:
    """The guarantees of a run; of a plan, with the requests and releases that it may come to.

    Raises:
        ValueError: an accountant has no finite figure: more noise or fewer rounds are needed.
    """
    run = user_level_run(plan, devices=devices, requests=requests, releases=releases)
    pair = plan.pair_privacy
    return PlanGuarantees(
        user=None if run is None else user_level_guarantee(run, delta=plan.delta),
        pair=None
        if pair is None
        else pair_level_guarantee(
            noise_multiplier=pair.noise_multiplier,
            sample_rate=pair.sample_rate,
            local_steps=plan.training.local_steps,
            max_participations=most_participations(plan, devices=devices, requests=requests),
            max_pairs=plan.training.max_pairs,
            delta=plan.delta,
        ),
    )


def planned_guarantees(plan: FederationPlan) -> PlanGuarantees:
    """What a plan promises if it is run to its end on the devices it waits for. Raises: ValueError: as above."""
    most = plan.rounds * plan.attempts
    return plan_guarantees(plan, devices=plan.devices, requests=most, releases=plan.rounds)
