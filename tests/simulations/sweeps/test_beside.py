"""Audits and baselines beside a sweep's runs: side by side as one by one, and what fails harms nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from server.releases import CHECKPOINT_FILE, ReleaseError
from server.run_summary import SUMMARY_FILE
from simulations.audits.audit_file import AuditFile, read_audit
from simulations.audits.registry import AUDITS, SMALL, AuditSettings
from simulations.audits.run_audits import AuditOutcome, run_audits
from simulations.baselines.rows_file import NAMES, SMALL_BUDGET, Budget, Row, RowsFile
from simulations.run.config import RunConfig
from simulations.run.directory import AUDIT_FILE, BASELINES_FILE, RunFiles
from simulations.run.progress import RunProgress
from simulations.run.run import start_run
from simulations.sweeps import beside
from simulations.sweeps.beside import AuditPart, Beside, Wanted, measure_beside
from tests.processes import living_in_group
from tests.simulations.run.files import settings, write_pairs

_AUDITED = ("canaries", "membership")
_SETTINGS = AuditSettings(canaries=40, sizes=SMALL)


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    """Two private runs of twelve of 24 people."""
    pairs = write_pairs(tmp_path / "pairs.jsonl", users=24)
    found = {cell: tmp_path / f"{cell}-0" for cell in ("strong", "weak")}
    for cell, path in found.items():
        keys = {
            **settings(pairs), "evaluation.skip": True, "data.users": 12, "federation.rounds": 2,
            "federation.cohort-size": 6, "federation.aggregation": "plain",
            "run.epsilon": 1.0 if cell == "strong" else 4.0,
        }  # fmt: skip
        with RunProgress(Console(file=StringIO())) as shown:
            start_run(RunConfig.from_flat(keys), path, overwrite=False, command="a test", shown=shown)
    return found


def _measure(runs: dict[str, Path]) -> tuple[Beside, str]:
    said = StringIO()
    wanted = Wanted(runs=runs, audits=_AUDITED, settings=_SETTINGS, processes=2, command="a test")
    with RunProgress(Console(file=said, width=200)) as shown:
        return measure_beside(wanted, shown=shown), said.getvalue()


def _results(path: Path) -> list[dict[str, object]]:
    kept = read_audit(path)
    assert kept is not None
    return [dict(one) for one in kept["results"]]  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_cells_are_audited_side_by_side_as_one_by_one_and_a_failure_harms_no_other(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = runs["weak"] / CHECKPOINT_FILE
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(b"no longer a checkpoint")
    found, said = _measure(runs)

    (failure,) = found.failed
    assert failure.startswith("weak: membership: ReleaseError: ")
    assert "weak: membership: FAILED: ReleaseError" in said
    assert "strong: membership: done in" in said
    assert {one["name"] for one in _results(runs["weak"])} == {"canaries"}
    strong = (runs["strong"] / AUDIT_FILE).read_bytes()

    checkpoint.write_bytes(whole)
    found, said = _measure(runs)
    assert found == Beside(broken=[], failed=[])
    assert "strong: membership: finished before" in said
    assert (runs["strong"] / AUDIT_FILE).read_bytes() == strong

    # The noise of a shadow run is drawn anew; scores of released adapters are not.
    side_by_side = [one for one in _results(runs["weak"]) if one["name"] == "membership"]
    with RunProgress(Console(file=StringIO())) as shown:
        run_audits(runs["weak"], ("membership",), _SETTINGS, command="a test", overwrite=True, shown=shown)
    assert [one for one in _results(runs["weak"]) if one["name"] == "membership"] == side_by_side

    # A claim that is too good is broken in its cell alone.
    summary = json.loads((runs["weak"] / SUMMARY_FILE).read_text())
    for observer in ("epsilon_server", "epsilon_model_observer"):
        summary["privacy"]["user"][observer] = 0.01
    (runs["weak"] / SUMMARY_FILE).write_text(json.dumps(summary))
    found, _ = _measure(runs)
    assert found == Beside(broken=["weak"], failed=[])

    with RunFiles(runs["strong"]).locked(), pytest.raises(ReleaseError, match="another process"):
        _measure(runs)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_ends_every_process(runs: dict[str, Path]) -> None:
    program = f"""
import signal
from pathlib import Path
from rich.console import Console
from simulations.run.progress import RunProgress
from simulations.sweeps.beside import Wanted, measure_beside
from simulations.audits.registry import AUDITS
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
    runs = {{cell: Path(path) for cell, path in {[(cell, str(path)) for cell, path in runs.items()]}}}
    with RunProgress(Console(width=200)) as shown:
        measure_beside(Wanted(runs=runs, audits=tuple(AUDITS), processes=2, command="a test"), shown=shown)
"""
    script = next(iter(runs.values())).parent / "program.py"
    script.write_text(program, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "side by side" not in (line := process.stdout.readline()):
        assert line, "it ended before it began"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    latest = time.monotonic() + 30
    while living_in_group(process.pid):
        assert time.monotonic() < latest
        time.sleep(0.1)


def test_what_the_small_form_found_does_not_stand_for_the_full_one(tmp_path: Path) -> None:
    for name in (SUMMARY_FILE, CHECKPOINT_FILE):
        (tmp_path / name).write_bytes(b"a run")
    small, full = AuditSettings(sizes=SMALL), AuditSettings()
    AuditFile(tmp_path, command="a test", settings=small).add("persona", ())
    assert AuditFile(tmp_path, command="a test", settings=small).is_finished("persona")
    again = AuditFile(tmp_path, command="a test", settings=full)
    assert not again.is_finished("persona")
    again.add("persona", ())
    assert not AuditFile(tmp_path, command="a test", settings=small).is_finished("persona")
    recorded = json.loads((tmp_path / AUDIT_FILE).read_text())["finished"]["persona"]["settings"]
    assert (recorded["sizes"]["form"], recorded["sizes"]["persona_lures"]) == ("full", 63)

    RowsFile(tmp_path, SMALL_BUDGET).add("base", Row(about="the base model", seconds=0.0, utility={}))
    assert RowsFile(tmp_path, SMALL_BUDGET).is_made("base")
    assert not RowsFile(tmp_path, Budget()).is_made("base")
    assert json.loads((tmp_path / BASELINES_FILE).read_text())["rows"]["base"]["budget"] == SMALL_BUDGET.to_json()


class _Failing(AuditPart):
    """Fails as something does that quotes what it was given."""

    def measure(self) -> AuditOutcome:
        return AuditOutcome(results=[int("my diagnosis")])  # type: ignore[list-item]


def test_a_failure_that_quotes_what_it_was_given_is_not_repeated() -> None:
    failed = beside._measure(_Failing(cell="a", directory=Path(), name="persona", settings=_SETTINGS))
    assert failed.failure is not None
    assert failed.failure.startswith("ValueError, in test_beside.py, line ")
    assert "diagnosis" not in failed.failure


def test_every_audit_and_row_has_its_turn() -> None:
    assert set(beside._AUDITS) == set(AUDITS)
    assert set(beside._ROWS) == set(NAMES)
