from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from simulations.baselines.rows_file import NAMES
from simulations.cli import app
from simulations.run.directory import BASELINES_FILE


def _run(*arguments: str, status: int = 0) -> Result:
    shown = CliRunner().invoke(app, list(arguments))
    assert shown.exit_code == status, shown.output
    return shown


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rows_stand_beside_a_run_and_are_made_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _run(
        "run", "--preset", "smoke", "--out", str(run), "--users", "24", "--cohort", "8", "--rounds", "2",
        "--set", "evaluation.users=4", "--set", "evaluation.questions=1", "--set", "evaluation.pairs-per-user=1",
    )  # fmt: skip
    budget = ("--pairs", "24", "--rates", "1e-2")

    _run("baselines", str(run), *budget, "--only", "base,central-dpo,ours")
    first = json.loads((run / BASELINES_FILE).read_text())["rows"]
    shown = _run("baselines", str(run), *budget)

    rows = json.loads((run / BASELINES_FILE).read_text())["rows"]
    assert set(rows) == set(NAMES)
    assert {name: rows[name] for name in first} == first  # seconds among them: not made again
    summary = json.loads((run / "summary.json").read_text())
    assert rows["ours"]["utility"] == summary["utility"]
    assert rows["base"]["utility"]["win_rate_greedy"]["own_persona"] == 0.5
    for name in ("local-only", "central-dpo", "central-sft", "feddpo"):
        assert 0 <= rows[name]["utility"]["win_rate_greedy"]["own_persona"] <= 1
        assert f"│ {name} " in shown.output
        assert f"{name}: {rows[name]['about'][:20]}" in shown.output
    assert json.loads((run / "baselines" / "feddpo" / "summary.json").read_text())["federation"]["method"] == "fedit"
    again = _run("baselines", str(run), "--pairs", "12", "--rates", "1e-2", "--only", "central-sft")
    assert "12 pairs of all who train" in again.output

    (run / BASELINES_FILE).write_text("{")
    assert "is damaged" in _run("baselines", str(run), status=1).output


def test_there_must_be_a_run_and_such_a_row(tmp_path: Path) -> None:
    assert "no finished run" in _run("baselines", str(tmp_path), status=1).output
    assert "there is no row 'best'" in _run("baselines", str(tmp_path), "--only", "best", status=1).output
