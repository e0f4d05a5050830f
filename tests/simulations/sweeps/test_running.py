"""A real sweep: killed in the middle it loses at most what is at work, and the same command ends it; on Ray, too."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.ledger import LEDGER_FILE
from simulations.cli import app
from simulations.report.sources import read_source
from simulations.report.writing import write_report
from simulations.run.by_round import read_rounds_utility
from simulations.run.expected_cost import Budget
from simulations.sweeps.definition import parse_sweep
from simulations.sweeps.running import SweepSettings, run_sweep
from tests.simulations.report.test_report import tables

_TINY = """
seeds = 2
[base]
preset = "smoke"
[base.set]
data.users = 12
federation.cohort-size = 4
federation.sampling = "schedule"
evaluation.users = 6
evaluation.by-round = 6
[grid]
"run.epsilon" = [inf, 4]
[budget]
processes = 1
"""
_RUNS = ("epsilon-inf-0", "epsilon-4-0", "epsilon-inf-1", "epsilon-4-1")


def _begin(file: Path, directory: Path) -> subprocess.Popen[bytes]:
    command = "from simulations.cli import main\nif __name__ == '__main__': main()"
    # As a module, so that processes that it starts find their way back.
    return subprocess.Popen(
        [sys.executable, "-c", command, "sweep", str(file), "--out", str(directory)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _finished(directory: Path) -> dict[str, int]:
    """Run → when its summary was written."""
    found = ((name, directory / name / "summary.json") for name in _RUNS)
    return {name: file.stat().st_mtime_ns for name, file in found if file.exists()}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_sweep_loses_at_most_the_run_at_work(tmp_path: Path) -> None:
    file, directory = tmp_path / "tiny.toml", tmp_path / "runs"
    file.write_text(_TINY, encoding="utf-8")
    process = _begin(file, directory)
    # One run is finished, and the next has begun: its configuration stands.
    while process.poll() is None and not (_finished(directory) and (directory / _RUNS[1] / "config.toml").exists()):
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = _finished(directory)
    assert 1 <= len(before) < len(_RUNS)
    with (directory / "sweep.csv").open(encoding="utf-8", newline="") as table:
        assert {f"{row['cell']}-{row['seed']}" for row in csv.DictReader(table)} <= set(before)

    again = _begin(file, directory)
    said, _ = again.communicate()
    assert again.returncode == 0, said.decode()
    after = _finished(directory)
    assert set(after) == set(_RUNS)
    assert {name: after[name] for name in before} == before, "a finished run was run again"
    with (directory / "sweep.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert {f"{row['cell']}-{row['seed']}" for row in rows} == set(_RUNS)
    private = [row for row in rows if row["cell"] == "epsilon-4"]
    assert {row["unit"] for row in private} == {"user"}
    assert all(0 < float(row["epsilon_server"]) <= 4 for row in private)
    # Every round that was released is charged once, in the run that was killed, too.
    for name in _RUNS[1::2]:
        lines = (directory / name / LEDGER_FILE).read_text(encoding="utf-8").splitlines()
        assert sum('"kind":"release"' in line for line in lines) == 2
    for name in _RUNS:
        by_round = read_rounds_utility(directory / name)
        assert [line.round_number for line in by_round] == [1, 2]
        # All of the held-out users were asked after every round: the last is the run's own figure.
        utility = json.loads((directory / name / "summary.json").read_text(encoding="utf-8"))["utility"]
        own = utility["win_rate_greedy"]
        assert (by_round[-1].own, by_round[-1].none, by_round[-1].other) == (
            own["own_persona"], own["no_persona"], own["other_persona"],
        )  # fmt: skip
        assert not (directory / name / "by_round").exists()

    found = read_source(directory)
    assert [len(group.runs) for group in found.groups] == [2, 2]
    page = write_report([directory], directory).read_text(encoding="utf-8")
    learned = tables(page)["What was learned"]
    summary = json.loads((directory / "epsilon-inf-0" / "summary.json").read_text(encoding="utf-8"))
    by_seed = next(row for row in learned if row[0] == "epsilon-inf")[5]
    assert by_seed.split(", ")[0] == f"{100 * summary['utility']['win_rate_greedy']['tuned']:.1f}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_sweep_runs_on_a_ray_cluster(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    definition = parse_sweep(
        {
            "base": {"preset": "smoke", "set": {"evaluation.users": 4, "federation.rounds": 1}},
            "grid": {"adapter.rank": [1, 2]},
        }
    )
    ended: list[str] = []
    run_sweep(
        definition,
        tmp_path / "runs",
        SweepSettings(
            budget=Budget(processes=2, run_gib=1.0), ray="local", command="a test",
            progress=lambda _done, _total, name: ended.append(name),
        ),
    )  # fmt: skip
    assert sorted(ended) == ["rank-1, seed 0", "rank-2, seed 0"]
    ranks = [group.first.config["adapter.rank"] for group in read_source(tmp_path / "runs").groups]
    assert ranks == [1, 2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_is_audited_and_reported_by_one_command_that_goes_on(tmp_path: Path) -> None:
    file, directory = tmp_path / "private.toml", tmp_path / "runs"
    file.write_text(
        """
seeds = 1
[base]
preset = "smoke"
set = { "data.users" = 20, "federation.cohort-size" = 8, "privacy.delta" = 1e-3, "evaluation.users" = 4 }
[grid]
"run.epsilon" = [inf, 4]
""",
        encoding="utf-8",
    )
    command = ["sweep", str(file), "--out", str(directory), "--audits", "canaries", "--report", "--processes", "2"]

    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    (private,) = (path for path in directory.glob("*4-0"))
    before = (private / "audit.json").read_text()
    again = CliRunner().invoke(app, command)

    (result, *_) = json.loads(before)["results"]
    assert (result["name"], result["verdict"]) == ("canaries", "holds")
    assert again.exit_code == 0, again.output
    assert (private / "audit.json").read_text() == before
    assert "canaries: finished before" in " ".join(again.output.split())
    page = (directory / "report.html").read_text(encoding="utf-8")
    assert '<section id="audits">' in page
