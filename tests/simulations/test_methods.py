"""What `tacit-sim methods` says of the methods, and the harness that compares them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.adapter import attach_adapter
from shared.adapter_methods import METHODS, REQUIREMENTS, Method
from shared.adapter_spec import AdapterConfig
from shared.flat_config import ConfigError
from shared.language_model import ModelConfig, load_language_model
from simulations.cli import app
from simulations.method_comparison import _PRIVATE_OWN, setting_config, settings_with_privacy, settings_without_privacy
from simulations.method_matrix import matrix
from simulations.model_shapes import SHAPES, shared_numbers
from simulations.noise_plan import plan_noise, plan_sizes
from simulations.run.config import RunConfig


@pytest.mark.parametrize("method", list(METHODS))
def test_the_numbers_said_are_those_of_the_real_adapter(method: Method) -> None:
    spec = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(method=method, rank=3)).spec

    said = shared_numbers("tacit-tiny", rank=3, method=method)
    assert (said.up, said.down) == (spec.dimension, spec.state_dimension)
    some = AdapterConfig(method=method, rank=3, target_modules=("q_proj", "down_proj"))
    few = attach_adapter(load_language_model(ModelConfig(device="cpu")), some).spec
    assert shared_numbers("tacit-tiny", rank=3, method=method, modules=["q_proj", "down_proj"]).up == few.dimension


def test_the_matrix_is_the_one_that_plans_are_checked_against(tmp_path: Path) -> None:
    """And every "no" has a reason, and a way out that is one."""
    for row in matrix("tacit-tiny", rank=4):
        facts = METHODS[row.method]
        for requirement in REQUIREMENTS:
            why = row.refused[requirement]
            assert why == (facts.refusal(requirement) or "")
            if why:
                instead = row.instead[requirement]
                assert instead is not None
                assert METHODS[instead].refusal(requirement) is None
    said = CliRunner().invoke(app, ["methods", "--reasons", "--json", str(tmp_path / "methods.json")])
    assert said.exit_code == 0, said.output
    assert "FlexLoRA, masks: it needs each device's product" in " ".join(said.output.split())
    values = json.loads((tmp_path / "methods.json").read_text())
    assert [row["method"] for row in values["methods"]] == list(METHODS)
    wrong = CliRunner().invoke(app, ["methods", "--shape", "gpt"])
    assert wrong.exit_code == 1
    assert "there is no shape 'gpt'" in wrong.output


def test_the_readme_shows_the_matrix_as_it_is() -> None:
    made = CliRunner().invoke(app, ["methods", "--markdown"]).output
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for line in made.strip().splitlines():
        assert line.rstrip() in readme


def test_a_core_of_rank_ten_fits_where_ffa_does_not() -> None:
    assert shared_numbers("qwen2.5-0.5b", rank=10, method="fed-sb").up == 24 * 7 * 100 <= 20_000
    assert shared_numbers("qwen2.5-0.5b", rank=4).up == 1_216_512
    for shape in SHAPES:
        d = shared_numbers(shape, rank=4).up
        options = plan_noise(users=10_000, cohort=800, rounds=6, participations=1, epsilon=4.0, delta=4e-5, dimension=d)
        sizes = {(size.method, size.rank): size for size in plan_sizes(options, shape=shape, dimension=d)}
        same = sizes["ffa-lora", 4]
        assert same.central == pytest.approx(options[0].noise_norm)
        assert same.masked == pytest.approx(options[-1].noise_norm)
        assert sizes["fed-sb", 10].central < same.central / 2


def test_plan_refuses_a_method_that_protects_nobody_and_names_another() -> None:
    said = CliRunner().invoke(app, ["plan", "--users", "1000", "--epsilon", "4", "--method", "flexlora"])
    assert said.exit_code == 1
    assert "nearest that can is 'fedsvd'" in " ".join(said.output.split())
    shown = CliRunner().invoke(
        app, ["plan", "--users", "10000", "--epsilon", "4", "--method", "fed-sb", "--rank", "10"]
    )
    assert shown.exit_code == 0, shown.output
    assert "3,500 numbers shared" in " ".join(shown.output.split())
    unknown = CliRunner().invoke(app, ["plan", "--users", "9", "--epsilon", "4", "--modules", "lm_head"])
    assert "no module 'lm_head'" in " ".join(unknown.output.split())


def test_every_setting_is_a_run_that_differs_in_the_method_alone() -> None:
    names = list(METHODS)
    for settings in (settings_without_privacy(names), settings_with_privacy(names, epsilon=4.0, cohort=400)):
        configs = [RunConfig.from_flat(setting_config(one, 3, {}, memory=Path("memory"))) for one in settings]
        first = configs[0]
        for setting, config in zip(settings, configs, strict=True):
            assert config.is_private == (setting.epsilon is not None)
            assert config.plan.adapter.method == setting.method
            assert (config.plan.seed, config.data.seed, config.evaluation.seed) == (3, 3, 3)
            if setting.cohort == settings[0].cohort and setting.method != "fed-sb":
                changed = set(config.differences(first))
                allowed = {"adapter.method", "training.learning-rate", "evaluation.personal-users"}
                if config.is_private:
                    allowed = {"adapter.method", *_PRIVATE_OWN.get(setting.method, {})}
                assert changed <= allowed, changed
    private = settings_with_privacy(names, epsilon=4.0, cohort=400)
    assert [one.method for one in private] == [name for name in names if METHODS[name].sums]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_comparison_end_to_end(tmp_path: Path) -> None:
    small = {
        "data.users": 8, "evaluation.users": 6, "evaluation.seen-users": 4, "evaluation.personal-users": 2,
        "federation.rounds": 2, "training.local-steps": 2,
    }  # fmt: skip
    arguments = [
        "methods", "compare", "--out", str(tmp_path / "runs"), "--methods", "fedit,fedsa-lora", "--cohorts", "4",
        "--seeds", "1", "--processes", "1", "--json", str(tmp_path / "table.json"),
        *(f"--set={key}={value}" for key, value in small.items()),
    ]  # fmt: skip
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["setting"]["method"] for row in rows] == ["fedit", "fedsa-lora"]
    assert rows[0]["aggregation_error"] > 0
    assert rows[1]["aggregation_error"] is None
    # A release of FedSA is the base model for whoever has no B.
    assert rows[1]["figures"]["win_rate_greedy.own_persona"]["values"] == [0.5]
    assert all("win_rate_greedy_personal_of_newcomers.own_persona" in row["figures"] for row in rows)
    assert rows[0]["bytes_up"] > 4 * rows[0]["shared_parameters"]
    for suffix in (".png", ".svg"):
        assert (tmp_path / "runs" / f"methods-4{suffix}").stat().st_size > 5000
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert json.loads((tmp_path / "table.json").read_text())["rows"] == rows


def test_what_cannot_be_compared_is_said_before_anything_runs(tmp_path: Path) -> None:
    for arguments, message in (
        (["--methods", "magic"], "there is no 'magic'"),
        (["--cohorts", "ten"], "--cohorts: must be integers"),
        (["--epsilon", "4"], "one cohort size"),
    ):
        said = CliRunner().invoke(app, ["methods", "compare", "--out", str(tmp_path / "x"), *arguments])
        assert said.exit_code == 1
        assert message in " ".join(said.output.split())
    assert not (tmp_path / "x").exists()
    with pytest.raises(ConfigError, match="no method 'magic'"):
        shared_numbers("tacit-tiny", rank=1, method="magic")  # type: ignore[arg-type]
