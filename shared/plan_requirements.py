"""What a plan asks of its adapter method, and whether the two go together: checked before anything else happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.adapter_methods import Requirement
from shared.flat_config import require
from shared.privacy.mechanisms import is_distributed

if TYPE_CHECKING:
    from shared.round_plan import FederationPlan


def requirements_of(plan: FederationPlan) -> tuple[Requirement, ...]:
    """What the plan asks of its method, beside learning."""
    user = plan.user_privacy
    found: dict[Requirement, bool] = {
        "secure-aggregation": plan.secure_aggregation is not None,
        "user-privacy-central": user is not None and user.mechanism == "gaussian",
        "user-privacy-correlated": user is not None and user.mechanism == "banded-gaussian",
        "user-privacy-distributed": user is not None and is_distributed(user.mechanism),
        "pair-privacy": plan.pair_privacy is not None,
        "mixed-ranks": plan.adapter.ranks != "same",
        "robust-mean": plan.step_terms.mean != "mean",
    }
    return tuple(requirement for requirement, asked in found.items() if asked)


def check_method(plan: FederationPlan) -> None:
    """Raises: ConfigError: the method cannot be had with what the plan asks, or needs what the plan does not give."""
    method, asked = plan.adapter.federation, requirements_of(plan)
    for requirement in asked:
        why, instead = method.refusal(requirement), method.instead(asked)
        require(
            why is None,
            "adapter.method",
            f"{method.name!r} cannot be had with {requirement.replace('-', ' ')}: {why}"
            + (f". The nearest that can is {instead!r}" if instead else ""),
        )
    require(
        not method.personal or plan.training.local_steps >= 2,
        "training.local-steps",
        f"must be at least 2 with {method.name}: what stays begins at zero, and a first step moves nothing else",
    )
    require(
        not method.personal or plan.training.online_candidates == 0,
        "training.online-candidates",
        f"must be 0 with {method.name}: candidates would come from its shared part, which alone is the base model",
    )
    if "mixed-ranks" in asked:
        _check_ranks(plan)
    if "robust-mean" in asked:
        _check_robust_mean(plan)


def _check_ranks(plan: FederationPlan) -> None:
    key = "adapter.ranks"
    require(
        plan.secure_aggregation is None or plan.user_privacy is not None,
        key,
        "must be 'same' under masks without noise for users: a row that few devices hold is the sum of those few",
    )
    require(
        plan.step_terms.mean == "mean",
        key,
        "must be 'same' with a robust mean, to which the devices that do not hold a row say zero",
    )
    require(
        plan.pair_privacy is None,
        key,
        "must be 'same' where pairs are private: noise would fill the rows that a device does not hold",
    )


def _check_robust_mean(plan: FederationPlan) -> None:
    terms = plan.step_terms
    require(
        plan.user_privacy is None and plan.secure_aggregation is None,
        "server-step.mean",
        "must be 'mean' where users are private or aggregation is secure: any other needs each update by itself, and "
        "one user's share of it is not bounded by what the noise is made for",
    )
    sizes = range(plan.minimum_replies, min(plan.cohort_size, plan.devices, terms.enough_for_krum) + 1)
    require(
        terms.mean != "krum" or all(2 * terms.liars_of(size) + 3 <= size for size in sizes),
        "federation.minimum-replies",
        "must be larger: Krum needs more than twice as many devices as may lie, and two more",
    )
