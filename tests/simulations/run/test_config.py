from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from shared.command_line import parse_assignment, read_toml
from shared.flat_config import ConfigError, from_tables
from simulations.run.config import RunConfig, preset_descriptions, read_preset


def test_the_resolved_file_makes_the_same_run() -> None:
    made = RunConfig.from_flat({**read_preset("demo"), "training.beta": 0.3, "run.engine": "ray"})

    again = RunConfig.from_flat(from_tables(tomllib.loads(made.to_toml())))

    assert again == made
    assert (again.plan.training.beta, again.run.engine, again.data.users) == (0.3, "ray", 200)


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
    ],
)
def test_what_cannot_be_used_is_refused_by_name(keys: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RunConfig.from_flat(keys)


def test_differences_leave_out_where_and_how_fast_a_run_runs() -> None:
    one = RunConfig()
    other = RunConfig.from_flat({"run.engine": "ray", "run.processes": 2, "federation.rounds": 3})

    assert other.differences(one) == ("federation.rounds",)


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
