from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.flat_config import ConfigError
from shared.language_model import ModelConfig, load_language_model
from simulations.cli import app
from simulations.model_shapes import shared_numbers
from simulations.noise_plan import plan_noise


def test_the_shapes_count_what_an_adapter_really_shares() -> None:
    tiny = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(rank=2))

    assert shared_numbers("tacit-tiny", rank=2).up == tiny.spec.dimension
    assert shared_numbers("qwen2.5-0.5b", rank=4).up == 1_216_512
    with pytest.raises(ConfigError, match="no shape"):
        shared_numbers("gpt", rank=4)


def test_every_mechanism_keeps_the_target_it_was_calibrated_for() -> None:
    options = plan_noise(
        users=10_000, cohort=800, rounds=6, participations=1, epsilon=1.0, delta=1e4**-1.1, dimension=13_440
    )

    schedule, ftrl, poisson, masks = options
    assert schedule.noise_multiplier == pytest.approx(3.41, abs=0.01)
    assert schedule.noise_norm == pytest.approx(3.411 * 13_440**0.5 / 800, rel=1e-3)
    assert schedule.epsilon_everyone <= 1.0
    assert ftrl.epsilon_everyone <= 1.0
    assert ftrl.noise_norm < 0.85 * schedule.noise_norm  # correlated noise partly cancels
    assert poisson.epsilon_model_observer <= 1.0 < poisson.epsilon_everyone
    assert all(option.verdict == "little is lost" for option in (schedule, ftrl))
    # Four parts of 200 that each make their noise without a third and a tenth; and Rényi's bound for the exact figure.
    assert masks.epsilon_everyone <= 1.0
    assert 1.0 < masks.noise_norm / schedule.noise_norm / (4 * 200 / 114) ** 0.5 < 1.12


def test_a_cohort_too_small_for_masks_is_told_of_the_other_mechanisms() -> None:
    options = plan_noise(users=30, cohort=3, rounds=6, participations=1, epsilon=8.0, delta=1e-3, dimension=100)

    assert [option.name for option in options] == ["Gaussian, schedule", "DP-FTRL, schedule", "Poisson, for models"]


def test_a_real_model_at_rank_four_is_told_that_nothing_survives() -> None:
    (first, *_) = plan_noise(
        users=10_000, cohort=400, rounds=12, participations=1, epsilon=1.0, delta=1e4**-1.1,
        dimension=shared_numbers("qwen2.5-0.5b", rank=4).up,
    )  # fmt: skip

    assert first.noise_norm == pytest.approx(9.4, abs=0.1)
    assert first.verdict == "nothing survives"


def test_noise_that_cannot_be_drawn_is_said_before_a_run_finds_out() -> None:
    _, ftrl, *_ = plan_noise(
        users=10_000, cohort=400, rounds=12, participations=1, epsilon=1.0, delta=1e4**-1.1,
        dimension=shared_numbers("qwen2.5-7b", rank=4).up,
    )  # fmt: skip

    assert ftrl.verdict == "too loud to draw"


def test_the_command_says_it_in_a_table(tmp_path: Path) -> None:
    said = CliRunner().invoke(
        app,
        ["plan", "--users", "1000", "--epsilon", "4", "--rounds", "6", "--rank", "2", "--json", str(tmp_path / "p")],
    )

    assert said.exit_code == 0
    assert "Gaussian" in said.output
    assert json.loads((tmp_path / "p").read_text())["parameters"] == 13_440
    refused = CliRunner().invoke(app, ["plan", "--users", "10", "--cohort", "9", "--epsilon", "1"])
    assert refused.exit_code == 1
    assert "need 108 devices, and there are 10" in " ".join(refused.output.split())
