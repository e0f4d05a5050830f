"""What this device's answers come to, all of them together, by its own accountant and at its own δ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dp_accounting import DpEvent, GaussianDpEvent

from client.device import DeclinedError
from client.privacy_ledger import Charge
from client.privacy_policy import PrivacyPolicy
from shared.messages import TrainRequest
from shared.plan_terms import UserPrivacyTerms
from shared.privacy.composition import total_epsilon
from shared.privacy.distributed_noise import distributed_event
from shared.privacy.guarantee import format_epsilon
from shared.privacy.mechanisms import is_distributed
from shared.privacy.pair_level import pair_level_event
from shared.round_plan import FederationPlan


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a device's answers come to at its own δ, each unit by itself.

    Attributes:
        user, pair: ε; 0 where nothing was answered under such a guarantee.
        unprotected_users, unprotected_pairs: answers that did not protect the unit, for which there is no ε.
    """

    user: float
    pair: float
    unprotected_users: int
    unprotected_pairs: int


def check_total(policy: PrivacyPolicy, plan: FederationPlan, request: TrainRequest, charges: Sequence[Charge]) -> None:
    """Everything answered so far and this request, composed.

    Raises:
        DeclinedError: it would come to more than the policy allows.
    """
    after = [*charges, charge_of(request)]
    for unit, limits, is_protected in (
        ("user", policy.user, plan.user_privacy is not None),
        ("pair", policy.pair, plan.pair_privacy is not None),
    ):
        if limits is None or not is_protected:
            continue
        total = _total(unit, after, policy.delta)
        if total > limits.max_epsilon_in_total:
            raise DeclinedError(
                f"with this answer the device would have spent ε = {format_epsilon(total)} per {unit} in all, and the "
                f"policy allows {format_epsilon(limits.max_epsilon_in_total)}"
            )


def charge_of(request: TrainRequest) -> Charge:
    """The charge that answering a request would be."""
    return Charge(
        run=request.run,
        round_number=request.round_number,
        attempt=request.attempt,
        request=request.digest(),
        plan_digest=request.plan.digest(),
        plan=request.plan,
        server=request.server,
        reply=None,
    )


def spent(charges: Sequence[Charge], *, delta: float) -> Spent:
    """What a device's participations come to at δ; infinity where the accountant has no figure."""
    return Spent(
        user=_total("user", charges, delta),
        pair=_total("pair", charges, delta),
        unprotected_users=sum(charge.plan.user_privacy is None for charge in charges),
        unprotected_pairs=sum(charge.plan.pair_privacy is None for charge in charges),
    )


def _total(unit: str, charges: Sequence[Charge], delta: float) -> float:
    events: list[DpEvent] = []
    whole_runs: set[str] = set()
    for charge in charges:
        user, pair = charge.plan.user_privacy, charge.plan.pair_privacy
        if unit == "user" and user is not None:
            if user.mechanism == "banded-gaussian":
                # One release covers all participations that the plan allows.
                if charge.run in whole_runs:
                    continue
                whole_runs.add(charge.run)
            events.append(_user_event(charge.plan, user))
        elif unit == "pair" and pair is not None:
            events.append(pair_event(charge.plan))
    try:
        return total_epsilon(events, delta=delta)
    except (ArithmeticError, MemoryError, ValueError):
        return math.inf  # so little noise somewhere that nothing can be said


def _user_event(plan: FederationPlan, user: UserPrivacyTerms) -> DpEvent:
    if not is_distributed(user.mechanism):
        return GaussianDpEvent(user.noise_multiplier)
    return distributed_event(
        user.mechanism, noise_multiplier=user.noise_multiplier, contributors=plan.least_contributors
    )


def pair_event(plan: FederationPlan) -> DpEvent:
    """One participation, of a pair. Raises: ValueError: the plan protects none."""
    if plan.pair_privacy is None:
        raise ValueError("the plan protects no pairs")
    return pair_level_event(
        noise_multiplier=plan.pair_privacy.noise_multiplier,
        sample_rate=plan.pair_privacy.sample_rate,
        steps=plan.training.local_steps,
    )
