"""Attacked runs of the embedded world, from configuration to table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from server.round_record import NodeFailure
from shared.flat_config import ConfigError
from simulations.attacks.config import ATTACKS, AttackConfig
from simulations.attacks.grid import MEANS, row_config, rows_of
from simulations.attacks.report import attack_entry
from simulations.cli import app
from simulations.run.config import RunConfig
from simulations.run.many import Job
from simulations.run.progress import RunProgress
from simulations.run.run import start_run
from simulations.run.table import summary_view

_TINY = {
    "data.users": 10, "federation.cohort-size": 10, "federation.minimum-replies": 5, "federation.rounds": 1,
    "evaluation.users": 4,
}  # fmt: skip


def _run_here(
    jobs: Sequence[Job],
    *,
    processes: int,
    command: str,
    first: int = 0,
    progress: Callable[[int, int, str], None],
    **_: object,
) -> None:
    """`run_many` without processes, whose start takes longer than these runs."""
    for done, job in enumerate(jobs, start=1):
        if not (job.path / "summary.json").exists():
            flat = {key: value for key, value in job.flat.items() if key != "run.processes"}
            with RunProgress(Console(file=StringIO())) as shown:
                start_run(RunConfig.from_flat(flat), job.path, overwrite=False, command=command, shown=shown)
        progress(done, len(jobs), job.name)


def _printed(summary: Mapping[str, object]) -> str:
    shown = StringIO()
    Console(file=shown, width=80).print(summary_view(summary))
    return shown.getvalue()


def test_the_command_runs_attacks_against_means_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulations.run.many.run_many", _run_here)
    arguments = [
        "poisoning", "--out", str(tmp_path / "runs"), "--means", "median", "--json", str(tmp_path / "table.json"),
        *(f"--set={key}={value}" for key, value in _TINY.items()),
    ]  # fmt: skip
    said = CliRunner().invoke(app, [*arguments, "--attacks", "scaled"])
    assert said.exit_code == 0, said.output
    began = (tmp_path / "runs" / "scaled-against-median-0" / "summary.json").stat().st_mtime_ns
    again = CliRunner().invoke(app, [*arguments, "--attacks", "scaled,backdoor"])
    assert again.exit_code == 0, again.output

    assert (tmp_path / "runs" / "scaled-against-median-0" / "summary.json").stat().st_mtime_ns == began
    scaled, backdoor = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert (scaled["attack"], scaled["mean"], scaled["attacking_devices"], scaled["refused"]) == (
        "scaled", "median", [2], [2],
    )  # fmt: skip
    assert scaled["backdoor"] == []
    assert backdoor["refused"] == [0]
    assert backdoor["backdoor"][0]["users"] == 4
    assert backdoor["figures"]["worst_decile"]["values"][0] <= backdoor["figures"]["fit"]["values"][0]
    assert (tmp_path / "runs" / "poisoning.json").exists()
    assert "4 held-out users, greedy; 1 rounds of 10 of 10 devices" in again.output
    assert all(len(line) <= 80 for line in again.output.splitlines() if line.startswith(("│", "┃")))

    summary = json.loads((tmp_path / "runs" / "scaled-against-median-0" / "summary.json").read_text())
    assert summary["attack"] == {
        "kind": "scaled", "share": 0.2, "seed": 0, "devices": 2, "refused": 2, "refused_of_honest": 0,
        "reasons": {"invalid reply: not clipped": 2},
    }  # fmt: skip
    shown = " ".join(_printed(summary).split())
    assert "scaled by 2 of 10 devices; 2 of their replies refused (2 times 'invalid reply: not clipped')" in shown
    assert "│ of the worst tenth" in _printed(summary)
    assert max(map(len, _printed(summary).splitlines())) <= 80
    opened = json.loads((tmp_path / "runs" / "backdoor-against-median-0" / "summary.json").read_text())
    assert "of replies begin as the attacker wants (base model 0%" in " ".join(_printed(opened).split())


@pytest.mark.slow
def test_the_command_in_processes_of_its_own(tmp_path: Path) -> None:
    arguments = [
        "poisoning", "--out", str(tmp_path), "--attacks", "none,sign-flip", "--means", "mean,krum", "--seeds", "1",
        *(f"--set={key}={value}" for key, value in _TINY.items()),
    ]  # fmt: skip
    said = CliRunner().invoke(app, arguments)

    assert said.exit_code == 0, said.output
    rows = json.loads((tmp_path / "poisoning.json").read_text())["rows"]
    assert [(row["attack"], row["mean"]) for row in rows] == [
        ("none", "mean"), ("none", "krum"), ("sign-flip", "mean"), ("sign-flip", "krum"),
    ]  # fmt: skip
    assert json.loads((tmp_path / "none-against-mean-0" / "summary.json").read_text())["attack"] is None


def test_every_row_is_a_run_that_differs_in_its_attack_and_its_mean_and_krum_in_its_step() -> None:
    rows = rows_of(ATTACKS, MEANS)
    assert len(rows) == 6 * 5
    made = [RunConfig.from_flat(row_config(row, 3, {}, memory=Path("memory"))) for row in rows]

    for row, run in zip(rows, made, strict=True):
        step = {"federation.server-learning-rate"} if row.mean == "krum" else set()
        assert set(run.differences(made[0])) <= {"attack.kind", "server-step.mean"} | step
        assert (run.attack.kind, run.plan.step_terms.mean) == (row.attack, row.mean)
        assert not run.is_private
    with pytest.raises(ConfigError, match="there is no mean 'mode': there are mean, trimmed-mean"):
        rows_of(["none"], ["mode"])
    refused = CliRunner().invoke(app, ["poisoning", "--out", "x", "--attacks", "rumour"])
    assert refused.exit_code == 1
    assert "there is no attack 'rumour'" in refused.stderr


def test_refused_replies_of_honest_devices_are_counted_apart() -> None:
    attack = AttackConfig(kind="garbage", share=0.5)
    (attacker, _), (honest, _) = sorted(attack.attackers(4)), sorted(set(range(4)) - attack.attackers(4))
    refused = [
        NodeFailure(node=device + 2, device=device, attempt=1, reason="invalid reply: x")
        for device in (attacker, attacker, honest)
    ]

    entry = attack_entry(attack, devices=4, refused=refused, backdoor=None)

    assert entry is not None
    assert (entry["devices"], entry["refused"], entry["refused_of_honest"]) == (2, 2, 1)
    assert entry["reasons"] == {"invalid reply: x": 2}
    assert attack_entry(AttackConfig(), devices=4, refused=refused, backdoor=None) is None
