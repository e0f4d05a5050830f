"""Two representative kills, with a real server and real devices; and that the checks afterwards see what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from server.deployment.directory import ServerDirectory
from server.deployment.runs import ServerRun
from shared.privacy import chained_log
from simulations.cli import app
from simulations.faults.fleet import Fleet
from simulations.faults.grid import RESULT_FILE, Cell, Outcome, faults_of, run_cells


def _lose_adapter(run: Path, _device: Path) -> None:
    shutil.rmtree(run / "adapter")


def _change_checkpoint(run: Path, _device: Path) -> None:
    held = load_file(run / "checkpoint.safetensors")
    save_file({**held, "vector": held["vector"] + np.float32(1e-3)}, run / "checkpoint.safetensors")


def _lose_release(run: Path, _device: Path) -> None:
    shutil.rmtree(run / "releases" / "0001")


def _cut_server_ledger(run: Path, _device: Path) -> None:
    lines = (run / "ledger.jsonl").read_text().splitlines(keepends=True)
    (run / "ledger.jsonl").write_text("".join(lines[:-1]))


def _repeat_round(run: Path, _device: Path) -> None:
    with (run / "rounds.jsonl").open("a") as file:
        file.write((run / "rounds.jsonl").read_text().splitlines(keepends=True)[-1])


def _debit_nothing(_run: Path, device: Path) -> None:
    device.unlink()


def _debit_what_nobody_asked(run: Path, device: Path) -> None:
    name = json.loads((run / "ledger.jsonl").read_text().splitlines()[0])["entry"]["run"]
    last = next(one for one in reversed(chained_log.read(device).entries) if one["kind"] == "charge")
    chained_log.append(device, {**last, "run": name, "round": 7})


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_outlives_kills_within_its_sums_and_the_checks_would_tell(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o700)
    cells = [Cell(victim="superlink", phase="mask"), Cell(victim="runner", phase="confirm")]
    ended: list[tuple[Cell, Outcome]] = []

    with Fleet(place, 4) as fleet:
        found = run_cells(fleet, cells, tmp_path, ended=lambda cell, outcome: ended.append((cell, outcome)))
        again = run_cells(fleet, cells, tmp_path, ended=lambda *_: None)
        ledgers = {number: fleet.ledger(number) for number in range(4)}
        server = ServerDirectory(fleet.site.server)

    assert {name: outcome.wrong for name, outcome in found.items()} == {cell.name: () for cell in cells}
    assert again == found
    assert [cell for cell, _ in ended] == cells
    assert all(outcome.replies[-1] >= 3 for outcome in found.values())
    shown = CliRunner().invoke(app, ["faults", "--out", str(tmp_path), "--victims", "nobody"], env={"COLUMNS": "200"})
    assert "--victims: there is no 'nobody'" in shown.output
    assert set(json.loads((tmp_path / RESULT_FILE).read_text())) == {cell.name for cell in cells}

    (name,) = (path.name for path in server.runs.iterdir() if path.name.startswith("superlink-mask"))
    assert faults_of(ServerRun(server, name), ledgers) == ()
    damages: list[Callable[[Path, Path], None]] = [
        _lose_adapter, _change_checkpoint, _lose_release, _cut_server_ledger, _repeat_round, _debit_nothing,
        _debit_what_nobody_asked,
    ]  # fmt: skip
    for damage in damages:
        copied = tmp_path / damage.__name__
        shutil.copytree(server.path, copied)
        mine = dict(ledgers)
        mine[0] = copied / "device-ledger.jsonl"
        shutil.copy(ledgers[0], mine[0])
        damage(copied / "runs" / name, mine[0])
        assert faults_of(ServerRun(ServerDirectory(copied), name), mine), damage.__name__
