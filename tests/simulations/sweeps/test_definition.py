"""What a sweep's file says, and what is refused before anything runs."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.flat_config import ConfigError
from simulations.cli import app
from simulations.run.config import RunConfig
from simulations.sweeps.catalogue import find_sweep, sweep_descriptions
from simulations.sweeps.definition import SEED_KEYS, SweepDefinition, parse_sweep, read_sweep, settled
from simulations.sweeps.running import check_sweep

_WHOLE = """
seeds = [0, 3]
default-cells = ["plain_rank-2_users-20_cohort-size-4", "noisy_rank-4_users-60_cohort-size-8"]
[base]
preset = "smoke"
set = { "federation.sampling" = "schedule" }
[[cells]]
name = "plain"
run.epsilon = inf
[[cells]]
name = "noisy"
run.epsilon = 4
[grid]
"adapter.rank" = [2, 4]
[[zip]]
"data.users" = [20, 60]
"federation.cohort-size" = [4, 8]
[budget]
memory-gib = 3
processes = 1
[smoke]
set = { "federation.rounds" = 1 }
cells = ["plain_rank-2_users-20_cohort-size-4"]
"""


def _parsed(text: str) -> SweepDefinition:
    return parse_sweep(tomllib.loads(text))


def test_axes_are_combined_and_what_goes_together_stays_together() -> None:
    found = _parsed(_WHOLE)

    assert len(found.cells) == 2 * 2 * 2
    assert found.seeds == (0, 3)
    assert found.budget.memory_gib == 3
    assert {(cell.swept["data.users"], cell.swept["federation.cohort-size"]) for cell in found.cells.values()} == {
        (20, 4), (60, 8),
    }  # fmt: skip
    assert len(found.only(found.default_cells).cells) == 2
    assert len(found.only(["all"]).cells) == 8
    made = RunConfig.from_flat(found.cells["noisy_rank-4_users-60_cohort-size-8"].config(3, {}, memory=Path("replies")))
    assert (made.plan.adapter.rank, made.data.users, made.run.epsilon) == (4, 60, 4.0)
    assert (made.plan.seed, made.data.seed, made.evaluation.seed, made.rlhi.seed) == (3, 3, 3, 3)
    assert made.run.memory == "replies"
    smoke = found.smoke
    assert smoke is not None
    assert smoke.only(smoke.default_cells).cells["plain_rank-2_users-20_cohort-size-4"].flat["federation.rounds"] == 1
    check_sweep(found, {})


def test_without_noise_there_are_no_terms_of_noise_and_without_masks_none_of_masks() -> None:
    flat = {
        "run.epsilon": math.inf, "user-privacy.participations": 1, "privacy.unit": "both",
        "federation.aggregation": "plain", "secure-aggregation.part-size": 9, "data.users": 3,
    }  # fmt: skip
    assert settled(flat) == {"privacy.unit": "pair", "federation.aggregation": "plain", "data.users": 3}
    assert settled({**flat, "privacy.unit": "user"}).get("privacy.unit") is None
    kept = {"run.epsilon": 2.0, "user-privacy.participations": 1, "secure-aggregation.part-size": 9}
    assert settled(kept) == kept


def test_a_swept_seed_is_not_set_again() -> None:
    found = _parsed('[grid]\n"federation.seed" = [5, 6]\n')
    assert [cell.config(0, {}, memory=Path("m"))["federation.seed"] for cell in found.cells.values()] == [5, 6]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 3", "unknown key 'seed'"),
        ('[base]\nset = { "federation.roundz" = 3 }', r"cell run: unknown keys: 'federation.roundz'"),
        ('[base]\npreset = "demon"', "no preset 'demon'"),
        ('[base]\nset = { "rounds" = 3 }', "base.set: 'rounds' is no key"),
        ('[grid]\n"adapter.rank" = 2', "grid: adapter.rank: must be a list of values"),
        ('[grid]\n"adapter.rank" = []', "grid: adapter.rank: must be a list of values"),
        ('[grid]\n"adapter.rank" = [2, "two"]', "cell rank-two: adapter.rank: must be an integer"),
        ('[grid]\n"adapter.rank" = [2, 2]', "two cells are called 'rank-2'"),
        ('[grid]\n"adapter.rank" = [2]\n[[zip]]\n"adapter.rank" = [4]', "adapter.rank: varies in two places"),
        ('[[zip]]\n"adapter.rank" = [2, 4]\n"data.users" = [3]', "equally many values"),
        ("[[cells]]\n\"adapter.rank\" = 2", "cells 1: name: must be a string"),
        ("seeds = 0", "seeds: must be a count"),
        ("seeds = [1, 1]", "has a seed twice"),
        ("[budget]\nmemory = 3", "unknown key budget.'memory'"),
        ("[budget]\nprocesses = 1.5", "budget.processes: must be an integer"),
        ("[budget]\nmemory-gib = -1", "budget.memory-gib: must be above 0"),
        ('default-cells = ["x"]', "there is no cell 'x': there are run"),
        ('[smoke]\ncells = ["y"]', "there is no cell 'y'"),
        ('[grid]\n"federation.cohort-size" = [900]\n[base]\npreset = "demo"', "cell cohort-size-900: federation.samp"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_sweep_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_sweep(_parsed(text), {})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("seeds = ", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.toml: "):
        read_sweep(tmp_path / "mine.toml")


@pytest.mark.parametrize("name", sweep_descriptions())
def test_every_preset_is_a_sweep_of_runs(name: str) -> None:
    found = find_sweep(name)
    check_sweep(found, {})
    assert sweep_descriptions()[name]
    if found.smoke is not None:
        check_sweep(found.smoke, {})


def test_the_frontier_differs_from_its_ceiling_in_privacy_and_a_fitted_step_alone() -> None:
    found = find_sweep("frontier")
    made = {name: RunConfig.from_flat(cell.config(0, {}, memory=Path("m"))) for name, cell in found.cells.items()}
    allowed = ("privacy.", "user-privacy.", "pair-privacy.", "run.epsilon", "secure-aggregation.",
               "federation.aggregation", "federation.attempts")  # fmt: skip
    for name, config in made.items():
        # The noise is known before, and the server's step may be fitted to it.
        changed = set(config.differences(made["none"])) - {"federation.server-learning-rate"}
        assert all(key.startswith(allowed) for key in changed), (name, changed)
        assert config.data.users == 10_000
        assert config.evaluation.users * len(found.seeds) >= 1_000
    assert found.default_cells == ("none", "secure-4", "secure-1")
    assert not made["none"].is_private
    for name, epsilon in (("secure-4", 4.0), ("secure-1", 1.0)):
        assert made[name].run.epsilon == epsilon
        assert made[name].plan.secure_aggregation is not None


def test_cells_of_other_modules_are_their_own_configurations() -> None:
    """`methods` and `ablations` are what their commands run, but for seeds and where replies are kept."""
    from simulations.method_comparison import setting_config, settings_without_privacy
    from simulations.rlhi.ablations import variant_config
    from simulations.run.config import read_preset

    cells = find_sweep("methods").cells
    for setting in settings_without_privacy(["ffa-lora", "fed-sb"]):
        ours = RunConfig.from_flat(cells[setting.name].config(1, {}, memory=Path("m")))
        theirs = RunConfig.from_flat(setting_config(setting, 1, {}, memory=Path("m")))
        assert set(ours.differences(theirs)) <= set(SEED_KEYS)
    ours = RunConfig.from_flat(find_sweep("ablations").cells["few-heavy"].config(2, {}, memory=Path("m")))
    theirs = RunConfig.from_flat(variant_config("few-heavy", 2, read_preset("rlhi"), memory=Path("m")))
    assert set(ours.differences(theirs)) <= set(SEED_KEYS)


def test_the_command_lists_presets_and_cells_and_explains_errors(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["sweep", "help"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in ("frontier", "methods", "ablations", "scaling", "smoke"))
    dry = CliRunner().invoke(app, ["sweep", "frontier", "--smoke", "--dry", "--out", str(tmp_path / "none")])
    assert dry.exit_code == 0, dry.output
    assert "secure-4" in dry.output
    assert not (tmp_path / "none").exists()
    wrong = CliRunner().invoke(app, ["sweep", "fronteer", "--out", str(tmp_path / "none")])
    assert wrong.exit_code == 1
    assert "neither a sweep nor a file 'fronteer'" in " ".join(wrong.output.split())
