"""`tacit-sim audit` as a researcher types it: its table and file, what it does twice, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulations.audits.audit_file import read_audit
from simulations.audits.result import AuditResult
from simulations.cli import app
from simulations.run.directory import AUDIT_FILE
from tests.federation import MARKER
from tests.simulations.run.files import settings, write_pairs


def run(*arguments: str, status: int = 0) -> str:
    shown = CliRunner().invoke(app, list(arguments))
    assert shown.exit_code == status, shown.output
    return " ".join(shown.output.split())


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A run of twelve of 24 people, each protected with ε = 4 by the server's noise."""
    pairs = write_pairs(tmp_path / "pairs.jsonl", users=24)
    directory = tmp_path / "run"
    keys = {
        **settings(pairs),
        "evaluation.skip": True,
        "data.users": 12,
        "federation.rounds": 2,
        "federation.cohort-size": 6,
        "run.epsilon": 4.0,
    }
    assignments = [f"--set={key}={json.dumps(value)}" for key, value in keys.items()]
    run("run", "--out", str(directory), "--data", "jsonl", "--aggregation", "plain", *assignments)
    return directory


def test_an_audit_shows_writes_and_keeps_what_it_found(private: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    only = ("--only", "canaries,one-run,membership")
    said = run("audit", str(private), *only, "--json", str(file))

    assert "canaries user 4.00" in said.replace("│", " ").replace("  ", " ").replace("  ", " ")
    assert "one-run: nothing to audit: the run promises its pairs nothing" in said
    kept = read_audit(private)
    assert kept is not None
    assert set(kept) == {"tacit_version", "git_commit", "command", "seed", "finished", "results"}
    results = [AuditResult.from_json(one) for one in kept["results"]]  # type: ignore[attr-defined]
    assert [one.name for one in results] == ["canaries", "canaries", "membership"]
    assert {one.verdict for one in results} == {"holds"}
    assert json.loads(file.read_text())["results"] == kept["results"]
    assert MARKER not in said + (private / AUDIT_FILE).read_text()

    again = run("audit", str(private), *only)
    assert "canaries: finished before with these settings" in again
    assert read_audit(private) == {**kept, "command": read_audit(private)["command"]}  # type: ignore[index]
    assert "finished before" not in run("audit", str(private), "--only", "canaries", "--canaries", "64")
    assert "finished before" not in run("audit", str(private), "--only", "canaries", "--canaries", "64", "--overwrite")


def test_a_promise_that_is_too_good_ends_with_status_1(private: Path) -> None:
    summary = json.loads((private / "summary.json").read_text())
    for observer in ("epsilon_server", "epsilon_model_observer"):
        summary["privacy"]["user"][observer] = 0.4
    (private / "summary.json").write_text(json.dumps(summary))

    said = run("audit", str(private), "--only", "canaries", "--canaries", "150", status=1)

    assert "violated" in said
    assert "a claim of this run does not hold" in said
    kept = read_audit(private)
    assert kept is not None
    assert {one["verdict"] for one in kept["results"]} == {"violated"}  # type: ignore[attr-defined]
    # Kept, it is still violated.
    run("audit", str(private), "--only", "canaries", "--canaries", "150", status=1)


def test_what_cannot_be_audited_is_explained(private: Path, tmp_path: Path) -> None:
    assert "holds no finished run to audit" in run("audit", str(tmp_path / "nothing"), status=1)
    assert "there is no audit 'everything'" in run("audit", str(private), "--only", "everything", status=1)
    (private / AUDIT_FILE).write_text("{}")
    assert "is damaged: remove it" in run("audit", str(private), status=1)


def test_a_run_that_starts_anew_forgets_its_audit(private: Path) -> None:
    (private / AUDIT_FILE).write_text("{}")
    assert AUDIT_FILE in {item.name for item in private.iterdir()}
    pairs = private.parent / "pairs.jsonl"
    keys = {**settings(pairs), "evaluation.skip": True, "federation.rounds": 1}
    assignments = [f"--set={key}={json.dumps(value)}" for key, value in keys.items()]
    new = private.parent / "new"
    run("run", "--out", str(new), "--data", "jsonl", *assignments)
    (new / AUDIT_FILE).write_text("{}")
    run("run", "--out", str(new), "--data", "jsonl", "--overwrite", *assignments)
    assert not (new / AUDIT_FILE).exists()
