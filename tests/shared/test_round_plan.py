from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.training import PairPrivacy, TrainingConfig
from shared.adapter_spec import AdapterConfig
from shared.flat_config import ConfigError
from shared.language_model import ModelConfig
from shared.plan_terms import PairPrivacyTerms, SecureAggregationTerms, TrainingTerms, UserPrivacyTerms
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput

_positive = st.floats(min_value=1e-6, max_value=1e6)
_count = st.integers(min_value=1, max_value=10**6)
_name = st.text(min_size=1, max_size=20).filter(lambda text: "," not in text and text.strip() == text)


def _targets(draw: st.DrawFn) -> tuple[str, ...] | Literal["all-linear"]:
    if draw(st.booleans()):
        return "all-linear"
    return tuple(draw(st.lists(_name, min_size=1, max_size=3).filter(lambda names: names != ["all-linear"])))


_USER: dict[str, object] = {
    "privacy.unit": "user",
    "federation.sampling": "schedule",
    "user-privacy.noise-multiplier": 1.0,
}


_SECURE: dict[str, object] = {**_USER, "federation.aggregation": "secure", "federation.devices": 20}


@st.composite
def plans(draw: st.DrawFn) -> FederationPlan:
    cohort = draw(_count)
    private = draw(
        st.none()
        | st.builds(
            PairPrivacyTerms,
            noise_multiplier=_positive,
            sample_rate=st.floats(min_value=1e-6, max_value=1),
            max_grad_norm=_positive,
        )
    )
    users_private = draw(
        st.none()
        | st.builds(
            UserPrivacyTerms,
            mechanism=st.sampled_from(["gaussian", "banded-gaussian", "skellam"]),
            noise_multiplier=_positive,
            participations=_count,
            separation=_count,
        )
    )
    retried = users_private is None or users_private.mechanism != "banded-gaussian"
    secure = None
    if users_private is not None and users_private.mechanism == "skellam":
        cohort = draw(st.integers(3, 10_000))
        secure = SecureAggregationTerms(
            dropout=draw(st.floats(0, 0.2)), corrupt=draw(st.floats(0, 0.2)), part_size=draw(st.integers(20, 1000))
        )
    return FederationPlan(
        model=ModelConfig(
            name=draw(_name),
            revision=draw(st.none() | _name),
            dtype=draw(st.sampled_from(["auto", "float32", "bfloat16"])),
            load_in_4bit=draw(st.booleans()),
            chat_template=draw(st.none() | st.text(min_size=1)),
        ),
        adapter=AdapterConfig(
            rank=draw(st.integers(1, 1 << 14)),
            alpha=draw(_positive),
            target_modules=_targets(draw),
        ),
        training=TrainingTerms(
            beta=draw(_positive),
            optimizer=draw(st.sampled_from(["sgd", "adam"])),
            batch_size=None if private is not None else draw(st.none() | _count),
        ),
        pair_privacy=private,
        user_privacy=users_private,
        secure_aggregation=secure,
        delta=draw(st.floats(min_value=1e-12, max_value=0.5)),
        rounds=draw(_count),
        cohort_size=cohort,
        devices=1 if secure is None else cohort,
        sampling="schedule" if users_private is not None else draw(st.sampled_from(["random", "schedule"])),
        minimum_replies=draw(st.integers(min_value=1, max_value=cohort)) if retried else 1,
        attempts=draw(st.integers(1, 100)) if retried else 1,
        round_timeout=draw(_positive),
        server_schedule=draw(st.sampled_from(["linear", "constant"])),
        seed=draw(st.integers(min_value=0, max_value=2**63 - 1)),
    )


@given(plans())
def test_a_plan_survives_its_run_configuration(plan: FederationPlan) -> None:
    config = plan.to_run_config()

    assert FederationPlan.from_run_config(config) == plan
    assert FederationPlan.from_run_config(config).digest() == plan.digest()
    assert all(type(value) in (bool, int, float, str) for value in config.values())


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"trainig.beta": 0.1}, "trainig.beta"),
        ({"federation.rounds": "12"}, "federation.rounds"),
        ({"federation.rounds": True}, "federation.rounds"),
        ({"federation.rounds": 0}, "federation.rounds"),
        ({"federation.minimum-replies": 21}, "federation.minimum-replies"),
        ({"federation.server-learning-rate": float("nan")}, "federation.server-learning-rate"),
        ({"federation.clipping-norm": -1.0}, "federation.clipping-norm"),
        ({"training.optimizer": "lion"}, "training.optimizer"),
        ({"training.batch-size": -2}, "training.batch-size"),
        ({"model.dtype": "int8"}, "model.dtype"),
        ({"model.load-in-4bit": "yes"}, "model.load-in-4bit"),
        ({"adapter.target-modules": "q_proj,,v_proj"}, "adapter.target-modules"),
        ({"adapter.rank": 0}, "adapter"),
        ({"privacy.unit": "users"}, "privacy.unit"),
        ({"privacy.noise-multiplier": 1.0}, "privacy.noise-multiplier"),
        ({"privacy.delta": 1.0}, "privacy.delta"),
        ({"pair-privacy.noise-multiplier": 1.0}, "pair-privacy.noise-multiplier"),
        ({"user-privacy.participations": 2}, "user-privacy.participations"),
        ({"privacy.unit": "pair", "pair-privacy.sample-rate": 0.5}, "pair-privacy.noise-multiplier"),
        ({"privacy.unit": "user", "federation.sampling": "schedule"}, "user-privacy.noise-multiplier"),
        ({**_USER, "federation.sampling": "random"}, "federation.sampling"),
        ({**_USER, "user-privacy.mechanism": "laplace"}, "user-privacy.mechanism"),
        ({**_USER, "user-privacy.participations": 0}, "user-privacy.participations"),
        ({**_USER, "user-privacy.cohort-limit": 30}, "user-privacy.cohort-limit"),
        ({**_USER, "federation.sampling": "poisson", "federation.devices": 50}, "federation.attempts"),
        ({**_USER, "user-privacy.mechanism": "banded-gaussian"}, "federation.attempts"),
        (
            {
                **_USER,
                "user-privacy.mechanism": "banded-gaussian",
                "federation.sampling": "poisson",
                "federation.devices": 50,
            },
            "federation.sampling",
        ),
        ({"federation.aggregation": "masked"}, "federation.aggregation"),
        ({"secure-aggregation.dropout": 0.1}, "secure-aggregation.dropout"),
        ({**_SECURE, "user-privacy.mechanism": "gaussian"}, "user-privacy.mechanism"),
        ({**_USER, "user-privacy.mechanism": "skellam"}, "user-privacy.mechanism"),
        ({**_SECURE, "secure-aggregation.dropout": 0.5}, "secure-aggregation.dropout"),
        ({**_SECURE, "secure-aggregation.corrupt": -0.1}, "secure-aggregation.corrupt"),
        ({**_SECURE, "secure-aggregation.corrupt": 0.4}, "secure-aggregation: a cohort of 20"),
        ({**_SECURE, "secure-aggregation.part-size": 1}, "secure-aggregation.part-size"),
        ({**_SECURE, "secure-aggregation.part-size": 1001}, "secure-aggregation.part-size"),
        ({**_SECURE, "secure-aggregation.stage-timeout": 0.0}, "secure-aggregation.stage-timeout"),
        ({"federation.cohort-size": 10**9 + 1}, "federation.cohort-size"),
        ({"federation.devices": 10**12 + 1}, "federation.devices"),
        ({**_SECURE, "federation.devices": 1}, "secure-aggregation: a cohort of 1"),
        (
            {
                **_SECURE,
                "federation.cohort-size": 1000,
                "federation.devices": 1000,
                "secure-aggregation.part-size": 1000,
                "user-privacy.mechanism": "discrete-gaussian",
                "user-privacy.noise-multiplier": 0.1,
            },
            "user-privacy.mechanism",
        ),
        (
            {
                "federation.aggregation": "secure",
                "federation.sampling": "poisson",
                "federation.devices": 20,
                "federation.attempts": 1,
            },
            "federation.sampling",
        ),
    ],
)
def test_a_bad_key_is_refused_by_its_name(config: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        FederationPlan.from_run_config(config)


def test_devices_add_skellam_noise_unless_the_plan_says_otherwise() -> None:
    plan = FederationPlan.from_run_config(_SECURE)

    assert plan.user_privacy is not None
    assert plan.user_privacy.mechanism == "skellam"
    assert plan.is_private
    assert FederationPlan(devices=20, secure_aggregation=SecureAggregationTerms()).is_private


def test_the_noise_of_a_full_cohort_is_that_of_its_least_times_the_over_provision() -> None:
    """A third may vanish and a tenth be corrupt: of 100, 57 must make the noise; of two parts of 50, each 29."""
    terms = SecureAggregationTerms(dropout=1 / 3, corrupt=0.1)
    one = FederationPlan(cohort_size=100, devices=100, secure_aggregation=terms)
    two = replace(one, secure_aggregation=replace(terms, part_size=50))

    assert (one.least_contributors, two.least_contributors) == (57, 29)
    uneven = replace(two, cohort_size=95)
    assert [(part.members, part.count) for part in uneven.parts()] == [(48, 1), (47, 1)]
    assert one.over_provision == pytest.approx((100 / 57) ** 0.5)
    assert two.over_provision == pytest.approx((2 * 50 / 29) ** 0.5)
    assert (FederationPlan().least_contributors, FederationPlan().over_provision) == (0, 1.0)


def test_output_keys_are_the_servers_alone() -> None:
    config = FederationPlan().to_run_config() | RunOutput(directory="out", resume=True).to_run_config()

    assert FederationPlan.from_run_config(config) == FederationPlan()
    assert RunOutput.from_run_config(config) == RunOutput(directory="out", resume=True)
    with pytest.raises(ConfigError, match=r"output\.kept-releases"):
        RunOutput.from_run_config(config | {"output.kept-releases": 0})
    with pytest.raises(ConfigError, match=r"output\.directory"):
        RunOutput.from_run_config({"output.directory": ""})
    with pytest.raises(ConfigError, match=r"output\.dir'"):
        RunOutput.from_run_config({"output.directory": "out", "output.dir": "x"})


def test_differing_keys_are_named() -> None:
    assert FederationPlan(seed=1, rounds=3).differences(FederationPlan()) == ("federation.rounds", "federation.seed")


def test_the_server_step_decays_to_the_last_round() -> None:
    plan = FederationPlan(rounds=4, server_learning_rate=2.0)

    assert [plan.server_step(number) for number in range(1, 5)] == [2.0, 1.5, 1.0, 0.5]


def test_training_terms_mirror_the_devices_own() -> None:
    terms = {item.name: item.default for item in fields(TrainingTerms)}
    config = {item.name: item.default for item in fields(TrainingConfig) if item.name != "pair_privacy"}

    # How reward pairs are had is not training's business.
    assert terms.pop("online_candidates") == 0
    assert terms == config
    assert [item.name for item in fields(PairPrivacyTerms)] == [item.name for item in fields(PairPrivacy)]


def test_the_bundles_default_configuration_is_the_default_plan_with_masks() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    groups = project["tool"]["flwr"]["app"]["config"]
    config = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}

    assert {key: value for key, value in config.items() if not key.startswith("output.")} == (
        FederationPlan(devices=20, secure_aggregation=SecureAggregationTerms()).to_run_config()
    )
    assert {key for key in config if key.startswith("output.")} == set(RunOutput(directory="x").to_run_config())
