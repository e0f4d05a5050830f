"""What a server proposes against what this device's user allows, whatever was answered before."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from dp_accounting import SelfComposedDpEvent

from client.device import DeclinedError
from client.privacy_policy import PrivacyPolicy, UnitLimits
from client.spending import pair_event
from shared.messages import TrainRequest
from shared.plan_guarantees import user_level_run
from shared.privacy.composition import total_epsilon
from shared.privacy.guarantee import format_epsilon
from shared.privacy.mechanisms import is_distributed
from shared.privacy.user_level import epsilon_for_everyone
from shared.round_plan import FederationPlan
from shared.server_identity import is_signed


def check_server(policy: PrivacyPolicy, request: TrainRequest, *, server_key: str | None = None) -> None:
    """Who asks.

    Args:
        server_key: of the server that was joined, where its invite named one.

    Raises:
        DeclinedError: the request is not signed by the server that was joined, or by none that the policy names.
    """
    if not policy.servers and not request.server and server_key is None:
        return
    if not is_signed(request):
        raise DeclinedError("the request is not signed by the server that it names")
    if server_key is not None and request.server != server_key:
        raise DeclinedError("the request is signed by another server than the one that was joined")
    if policy.servers and request.server not in policy.servers:
        raise DeclinedError("the policy does not name the server that asks")


def check_plan(policy: PrivacyPolicy, plan: FederationPlan) -> None:
    """A plan against a policy, whatever was answered before.

    Raises:
        DeclinedError: it is weaker than the policy asks.
    """
    protects = {"user": plan.user_privacy is not None, "pair": plan.pair_privacy is not None}
    if policy.require == "either" and not any(protects.values()):
        raise DeclinedError("the plan protects neither users nor pairs")
    if policy.require in protects and not protects[policy.require]:
        raise DeclinedError(f"the plan does not protect one {policy.require}, and the policy requires it")
    check_aggregation(policy, plan)
    limit = None if plan.user_privacy is None else plan.user_privacy.cohort_limit
    cohort = min(
        plan.cohort_size,
        plan.devices,
        plan.cohort_size if limit is None else limit,
        *(part.members for part in plan.parts()),  # a part hides nobody behind another part's devices
    )
    if cohort < policy.minimum_cohort:
        raise DeclinedError(f"cohorts of {cohort} are smaller than the policy's {policy.minimum_cohort}")
    terms = plan.user_privacy
    if terms is not None and policy.user is not None:
        if terms.mechanism not in policy.user.mechanisms:
            raise DeclinedError(f"the policy does not allow the mechanism {terms.mechanism}")
        if not is_distributed(terms.mechanism) and not policy.user.trust_the_server_to_add_noise:
            raise DeclinedError("the server would add the noise, and the policy does not trust it to")
        _check_noise("user", terms.noise_multiplier, policy.user)
    if plan.pair_privacy is not None and policy.pair is not None:
        _check_noise("pair", plan.pair_privacy.noise_multiplier, policy.pair)
    try:
        planned = _planned(plan, policy.delta)
    except (ArithmeticError, MemoryError, ValueError) as error:
        raise DeclinedError(f"the plan has no finite epsilon ({type(error).__name__})") from None
    for unit, epsilon, limits in (("user", planned[0], policy.user), ("pair", planned[1], policy.pair)):
        if epsilon is None:
            continue
        if limits is None:
            if policy.require == "none":
                continue
            raise DeclinedError(f"the plan protects one {unit}, and the policy does not say how far is far enough")
        if epsilon > limits.max_epsilon_per_run:
            raise DeclinedError(
                f"the run would come to ε = {format_epsilon(epsilon)} per {unit} at this device's δ, "
                f"and the policy allows {format_epsilon(limits.max_epsilon_per_run)}"
            )


def check_aggregation(policy: PrivacyPolicy, plan: FederationPlan) -> None:
    """Raises: DeclinedError: the plan shows updates that must not be shown, or bears fewer liars than it must."""
    terms, limits = plan.secure_aggregation, policy.secure
    if terms is None:
        if limits is not None and limits.required:
            raise DeclinedError("the plan shows this device's update to the server, and the policy requires masks")
        return
    if limits is None:
        raise DeclinedError("the policy does not say who enrols the cohorts of secure aggregation")
    bears = min(part.corrupt for part in plan.parts())
    if bears < limits.corrupt_devices:
        raise DeclinedError(
            f"a cohort bears {bears} devices that work for the server, and the policy expects {limits.corrupt_devices}"
        )


def _check_noise(unit: str, noise_multiplier: float, limits: UnitLimits) -> None:
    if noise_multiplier < limits.minimum_noise_multiplier:
        raise DeclinedError(
            f"a noise multiplier of {noise_multiplier:g} per {unit} is below the policy's "
            f"{limits.minimum_noise_multiplier:g}"
        )


@lru_cache(maxsize=16)
def _planned(plan: FederationPlan, delta: float) -> tuple[float | None, float | None]:
    """ε per user and per pair of a whole run, by this device's own accountant; None where the plan protects none.

    A device counts on no cohort, no sampling and no schedule but its own cap: the figure is that against everyone.
    """
    user = user_level_run(plan, devices=1, requests=plan.rounds * plan.attempts, releases=plan.rounds)
    most = plan.rounds * plan.attempts if plan.user_privacy is None else plan.user_privacy.participations
    return (
        None if user is None else epsilon_for_everyone(replace(user, participations=most), delta=delta),
        None
        if plan.pair_privacy is None
        else total_epsilon([SelfComposedDpEvent(pair_event(plan), most)], delta=delta),
    )
