"""Plans and their adapter methods: what goes together, and what is refused before anything happens."""

from __future__ import annotations

import pytest

from shared.adapter_methods import METHODS, REQUIREMENTS, Method, Requirement
from shared.flat_config import ConfigError
from shared.plan_requirements import requirements_of
from shared.plan_terms import PairPrivacyTerms, SecureAggregationTerms, ServerStepTerms, UserPrivacyTerms
from tests.federation import method_plan

_MASKS = SecureAggregationTerms(dropout=0.0, corrupt=0.0)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_plan_refuses_exactly_what_the_matrix_says_and_names_what_can_be_had(
    method: Method, requirement: Requirement
) -> None:
    asked: dict[Requirement, dict[str, object]] = {
        "secure-aggregation": {"secure_aggregation": SecureAggregationTerms(dropout=0.0, corrupt=0.0)},
        "user-privacy-central": {"user_privacy": UserPrivacyTerms(noise_multiplier=1.0), "sampling": "schedule"},
        "user-privacy-correlated": {
            "user_privacy": UserPrivacyTerms(mechanism="banded-gaussian", noise_multiplier=1.0),
            "sampling": "schedule",
        },
        "user-privacy-distributed": {
            "user_privacy": UserPrivacyTerms(mechanism="skellam", noise_multiplier=1.0),
            "secure_aggregation": SecureAggregationTerms(dropout=0.0, corrupt=0.0),
            "sampling": "schedule",
        },
        "pair-privacy": {
            "pair_privacy": PairPrivacyTerms(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=0.5)
        },
        "mixed-ranks": {"ranks": ("1", "2")},
        "robust-mean": {"step_terms": ServerStepTerms(mean="median")},
    }  # fmt: skip
    facts = METHODS[method]
    why = facts.refusal(requirement)
    if why is None:
        assert requirement in requirements_of(method_plan(method, **asked[requirement]))  # type: ignore[arg-type]
        return
    with pytest.raises(ConfigError) as refused:
        method_plan(method, **asked[requirement])  # type: ignore[arg-type]
    instead = facts.instead([requirement])
    assert instead is not None
    assert "adapter.method" in str(refused.value)
    assert repr(instead) in str(refused.value)
    assert requirement in requirements_of(method_plan(instead, **asked[requirement]))  # type: ignore[arg-type]


def test_a_robust_mean_is_refused_where_users_are_private_or_masked() -> None:
    median = ServerStepTerms(mean="median")
    with pytest.raises(ConfigError, match=r"server-step\.mean"):
        method_plan(
            "ffa-lora", step_terms=median, user_privacy=UserPrivacyTerms(noise_multiplier=1.0), sampling="schedule"
        )
    with pytest.raises(ConfigError, match=r"server-step\.mean"):
        method_plan("ffa-lora", step_terms=median, secure_aggregation=_MASKS)
    with pytest.raises(ConfigError, match=r"federation\.minimum-replies.*Krum"):
        method_plan("ffa-lora", step_terms=ServerStepTerms(mean="krum"), minimum_replies=2)


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("fedsa-lora", {"steps": 1}, r"training\.local-steps: must be at least 2"),
        ("ffa-lora", {"ranks": ("1", "2"), "secure_aggregation": _MASKS}, r"adapter\.ranks.*under masks"),
        ("ffa-lora", {"ranks": ("1", "2"), "step_terms": ServerStepTerms(mean="median")}, r"adapter\.ranks.*robust"),
        ("ffa-lora", {"ranks": ("1", "3")}, r"largest of them adapter\.rank"),
        ("ffa-lora", {"ranks": ("0", "2")}, r"numbers from 1"),
    ],
)
def test_plans_that_would_show_or_learn_nothing_are_refused(
    method: Method, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        method_plan(method, **changes)  # type: ignore[arg-type]


def test_under_masks_a_rank_of_its_own_would_show_its_device_and_noise_is_asked_for() -> None:
    terms = UserPrivacyTerms(mechanism="skellam", noise_multiplier=1.0)
    of = method_plan("ffa-lora", ranks=("1", "2"), secure_aggregation=_MASKS, user_privacy=terms, sampling="schedule")
    assert "mixed-ranks" in requirements_of(of)
