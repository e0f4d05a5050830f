from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from shared.command_line import parse_assignment, read_toml
from shared.flat_config import ConfigError, from_tables
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.run.config import RunConfig, preset_descriptions, read_preset


def test_the_resolved_file_makes_the_same_run() -> None:
    made = RunConfig.from_flat({**read_preset("demo"), "training.beta": 0.3, "run.engine": "ray"})

    again = RunConfig.from_flat(from_tables(tomllib.loads(made.to_toml())))

    assert again == made
    assert (again.plan.training.beta, again.run.engine, again.data.users) == (0.3, "ray", 1500)


def test_every_preset_is_a_run_and_says_what_it_is_for() -> None:
    for name, description in preset_descriptions().items():
        keys = read_preset(name)
        if keys.get("data.source", "embedded") != "embedded":
            keys["data.path"] = "somewhere"
        RunConfig.from_flat(keys)
        assert len(description) > 20
    assert {"demo", "smoke", "mtbench", "realhumaneval"} <= set(preset_descriptions())
    with pytest.raises(ConfigError, match="there are demo"):
        read_preset("nothing")


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"training.bota": 1}, "training.bota"),
        ({"traning.beta": 0.1}, "traning.beta"),
        ({"data.sauce": "embedded"}, "data.sauce"),
        ({"data.source": "nobody"}, r"data\.source.*mtbench-human"),
        ({"data.source": "jsonl"}, r"data\.path"),
        ({"data.path": "x"}, r"data\.path"),
        ({"data.users": -1}, r"data\.users"),
        ({"run.engine": "steam"}, r"run\.engine"),
        ({"privacy.delta": 1.5}, r"privacy\.delta"),
        ({"run.epsilon": -1.0}, r"run\.epsilon"),
        ({"evaluation.users": 1}, r"evaluation\.users"),
        ({"evaluation.cells": "diagonal", "evaluation.user-folds": 4}, r"evaluation\.cells"),
        ({"federation.devices": 7}, r"data\.users"),
        ({"federation.rounds": "many"}, r"federation\.rounds"),
        ({"adapter.method": "magic"}, "adapter"),
        ({"run.ray-address": "10.0.0.1:6379"}, "run.engine 'ray'"),
        ({"run.engine": "ray", "run.ray-address": "ray://10.0.0.1:10001"}, r"run\.ray-address"),
        ({"run.engine": "ray", "run.ray-address": "10.0.0.1"}, "HOST:PORT"),
        ({"run.engine": "ray", "run.ray-address": "10.0.0.1:6379", "run.processes": 2}, "run.processes"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(keys: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RunConfig.from_flat(keys)


def test_differences_leave_out_where_and_how_fast_a_run_runs() -> None:
    one = RunConfig()
    other = RunConfig.from_flat({"run.engine": "ray", "run.processes": 2, "federation.rounds": 3})

    assert other.differences(one) == ("federation.rounds",)
    assert RunConfig.from_flat({"run.engine": "ray", "run.ray-address": "10.0.0.1:6379"}).differences(one) == ()


def test_assignments_are_toml_and_bare_words_are_strings() -> None:
    assert parse_assignment("training.beta = 0.2") == ("training.beta", 0.2)
    assert parse_assignment("model.name=some/model") == ("model.name", "some/model")
    assert parse_assignment("evaluation.skip=true") == ("evaluation.skip", True)
    for text in ("beta=1", "training.beta"):
        with pytest.raises(ConfigError, match="GROUP"):
            parse_assignment(text)


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("[data\n")
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read_toml(file)


def test_a_target_epsilon_makes_users_private_and_sets_the_noise() -> None:
    made = RunConfig.from_flat(
        {"run.epsilon": 1.0, "privacy.delta": 3.98e-5, "federation.cohort-size": 5, "data.users": 100}
    )

    assert made.plan.privacy_unit == "user"
    assert made.plan.sampling == "schedule"
    assert made.plan.user_privacy is not None
    assert 3.40 < made.plan.user_privacy.noise_multiplier < 3.42
    # What the file says resolves to itself, and to no other noise.
    assert RunConfig.from_flat(made.to_flat()) == made
    with pytest.raises(ConfigError, match=r"user-privacy\.noise-multiplier: is 9"):
        RunConfig.from_flat({**made.to_flat(), "user-privacy.noise-multiplier": 9.0})


def test_a_target_epsilon_keeps_what_else_was_said() -> None:
    pair = {"noise-multiplier": 2.0, "sample-rate": 0.5, "max-grad-norm": 1.0}
    made = RunConfig.from_flat(
        {
            "run.epsilon": 4.0,
            "privacy.unit": "pair",
            "user-privacy.participations": 4,
            **{f"pair-privacy.{key}": value for key, value in pair.items()},
        }
    )

    assert made.plan.privacy_unit == "both"
    assert made.plan.user_privacy is not None
    assert made.plan.user_privacy.participations == 4


def test_a_schedule_that_cannot_be_kept_is_refused_before_anything_is_trained() -> None:
    made = RunConfig.from_flat({**read_preset("demo"), "data.users": 50, "federation.cohort-size": 20})

    with pytest.raises(ConfigError, match="need 120 devices, and there are 50"):
        made.plan_for(EmbeddedPopulation(seed=0, users=50, pairs_per_user=1))


def test_no_more_users_are_asked_by_round_than_are_held_out() -> None:
    assert RunConfig.from_flat({"evaluation.by-round": 64}).evaluation.by_round == 64
    with pytest.raises(ConfigError, match=r"evaluation.by-round: is above evaluation.users, 64"):
        RunConfig.from_flat({"evaluation.by-round": 65})
    with pytest.raises(ConfigError, match=r"evaluation.by-round: must be 0 or at least 2"):
        RunConfig.from_flat({"evaluation.by-round": 1})


def test_devices_share_passes_with_the_inline_engine_alone() -> None:
    assert RunConfig.from_flat({"run.batched-clients": 16}).run.batched_clients == 16
    with pytest.raises(ConfigError, match=r"run\.batched-clients: goes with the engine inline"):
        RunConfig.from_flat({"run.batched-clients": 16, "run.engine": "ray"})
    with pytest.raises(ConfigError, match=r"run\.batched-clients: must be at least 1"):
        RunConfig.from_flat({"run.batched-clients": -1})
