"""Few numbers beside FFA-LoRA's: runs that differ in the adapter alone, and a difference taken user by user."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.flat_config import ConfigError
from simulations import few_numbers
from simulations.cli import app
from simulations.few_numbers import SHAPE, SIZES, collect, size_config
from simulations.model_shapes import shared_numbers
from simulations.run.config import RunConfig


def test_every_size_is_a_run_that_differs_in_its_adapter_and_step_alone() -> None:
    bar, *others = [RunConfig.from_flat(size_config(size, 3, {}, memory=Path("memory"))) for size in SIZES]
    assert (bar.plan.seed, bar.data.seed, bar.evaluation.seed) == (3, 3, 3)
    assert bar.plan.adapter.method == "ffa-lora"
    assert bar.plan.adapter.rank == 4
    for config in others:
        changed = set(config.differences(bar)) - {"federation.server-learning-rate"}
        assert all(key.startswith("adapter.") for key in changed), changed
        assert config.plan.adapter.alpha / config.plan.adapter.rank == 2


def test_all_but_the_bar_share_at_most_20000_numbers_of_a_real_model() -> None:
    bar, *others = [
        shared_numbers(SHAPE, rank=size.rank, method=size.method, modules=size.modules).up for size in SIZES
    ]
    assert bar == 1_216_512
    assert all(count <= 20_000 for count in others)


def _finished(directory: Path, wins: list[float]) -> None:
    shares = {"base": 0.5, "own_persona": sum(wins) / len(wins), "no_persona": 0.5, "other_persona": 0.45}
    metrics = ("win_rate_greedy", "style_fit_worst_decile_greedy", "pair_accuracy", "coherent_greedy")
    summary = {
        "git_commit": None,
        "federation": {"shared_parameters": 3500},
        "data": {"users_test": len(wins)},
        "utility": {name: {**shares, "ci95": [0.0, 1.0]} for name in metrics},
        "details": {"replies": {"wins": {"0.0": {"own": wins}}}},
    }
    directory.mkdir()
    (directory / "summary.json").write_text(json.dumps(summary))


def test_the_difference_is_that_of_the_same_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users differ far more than what the two make of them: unpaired, the interval would be ten times as wide."""
    bar, size = SIZES[:2]
    users = [0.0, 0.9] * 50
    for seed, gain in ((0, 0.1), (1, 0.05)):
        _finished(tmp_path / f"{bar.name}-{seed}", users)
        _finished(tmp_path / f"{size.name}-{seed}", [won + gain for won in users])
    _finished(tmp_path / f"{size.name}-2", users)  # has nothing to be compared with
    found = collect(tmp_path, sizes=(bar, size), seeds=(0, 1, 2))
    rows = found["rows"]
    assert isinstance(rows, list)
    assert "over_bar" not in rows[0]
    over = rows[1]["over_bar"]
    assert over["by_seed"] == pytest.approx([0.1, 0.05])
    assert over["value"] == pytest.approx(0.075)
    assert 0.07 < over["low"] < over["value"] < over["high"] < 0.08
    assert over["users"] == 200
    assert rows[1]["seeds"] == [0, 1, 2]

    monkeypatch.setattr(few_numbers, "run_few", lambda *_: found)
    said = CliRunner().invoke(app, ["methods", "few", "--out", str(tmp_path)])
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "…" not in said.output
    row = next(line for line in lines if "rank 10" in line)
    assert row.split()[-1] == "+7.5"
    assert "16,800" in row


def test_what_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["methods", "few", "--out", str(tmp_path / "x"), "--sizes", "tiny"])
    assert said.exit_code == 1
    assert "there is no 'tiny'" in " ".join(said.output.split())
    assert not (tmp_path / "x").exists()
    assert "ffa-4" in CliRunner().invoke(app, ["methods", "few", "--out", "x", "--sizes", "help"]).output
    with pytest.raises(ConfigError, match="no finished run"):
        collect(tmp_path, sizes=SIZES, seeds=(0,))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_table_end_to_end(tmp_path: Path) -> None:
    small = {"data.users": 8, "federation.cohort-size": 4, "federation.rounds": 2, "evaluation.users": 6}
    arguments = [
        "methods", "few", "--out", str(tmp_path / "runs"), "--sizes", "ffa-4,weights-10", "--seeds", "1",
        "--processes", "1", "--json", str(tmp_path / "table.json"),
        *(f"--set={key}={value}" for key, value in small.items()),
    ]  # fmt: skip
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["shared_parameters"] for row in rows] == [26_880, 3_500]
    assert rows[1]["over_bar"]["users"] == 6
    written = (tmp_path / "runs" / "weights-10-0" / "summary.json").stat().st_mtime_ns
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert (tmp_path / "runs" / "weights-10-0" / "summary.json").stat().st_mtime_ns == written
