from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.ledger import LEDGER_FILE
from simulations import privacy_utility
from simulations.cli import app
from simulations.privacy_utility import FEDERATIONS, ROWS, Row, collect, row_config
from simulations.run.config import RunConfig

_SMALL = {
    "data.users": 12, "federation.cohort-size": 4, "federation.rounds": 2, "evaluation.users": 6,
    "user-privacy.participations": 1,
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_a_run_and_differs_from_its_ceiling_in_privacy_alone(row: Row) -> None:
    private, plain = (
        RunConfig.from_flat(row_config(one, 3, {}, memory=Path("memory")))
        for one in (row, Row(federation=row.federation, epsilon=None))
    )

    changed = set(private.differences(plain))
    allowed = ("privacy.", "user-privacy.", "run.epsilon", "federation.attempts")
    assert all(key.startswith(allowed) for key in changed), changed
    assert private.is_private == (row.epsilon is not None)
    assert private.evaluation.users == 1000
    assert (private.plan.seed, private.data.seed, private.evaluation.seed) == (3, 3, 3)
    users = FEDERATIONS[row.federation]["data.users"]
    assert private.data.users == users


def _finished(directory: Path, *, worst: float) -> None:
    """What a run without noise leaves of its figures, `worst` being those of the tenth of users served worst."""
    shares = {"base": 0.5, "tuned": 0.3, "own_persona": 0.8, "no_persona": 0.5, "other_persona": 0.5}
    names = ("win_rate_greedy", "own_minus_other_win_rate_greedy", "pair_accuracy", "coherent_greedy")
    utility = {name: {**shares, "ci95": [0.7, 0.9]} for name in names}
    utility["style_fit_worst_decile_greedy"] = {"base": 0.25, "own_persona": worst, "ci95": [0.1, 1.0]}
    summary = {
        "git_commit": None,
        "privacy": {"user": None, "noise_norm_over_clipping": 0.0},
        "federation": {"cohort": 333, "rounds": 6, "shared_parameters": 13440},
        "data": {"users_train": 1000, "users_test": 1000},
        "utility": utility,
    }
    directory.mkdir()
    (directory / "summary.json").write_text(json.dumps(summary))


def test_those_who_are_served_worst_stand_beside_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Row(federation="1k", epsilon=None)
    for seed, worst in enumerate((0.4, 1.5)):
        _finished(tmp_path / f"{plain.name}-{seed}", worst=worst)
    found = collect(tmp_path, rows=(plain,), seeds=(0, 1))
    rows = found["rows"]
    assert isinstance(rows, list)
    assert rows[0]["figures"]["style_fit_worst_decile_greedy.own_persona"] == {
        "mean": pytest.approx(0.95), "values": [0.4, 1.5], "ci95": [[0.1, 1.0], [0.1, 1.0]],
    }  # fmt: skip

    monkeypatch.setattr(privacy_utility, "run_privacy_utility", lambda *_: found)
    arguments = ["privacy", "utility", "--out", str(tmp_path), "--rows", plain.name, "--seeds", "2"]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    cells = next(line for line in said.output.splitlines() if line.split()[:1] == ["1,000"]).split()
    assert cells == ["1,000", "333", "∞", "0.00", "80.0%", "50.0%", "50.0%", "0.95", "80.0%"]
    assert all(len(line) <= 80 for line in said.output.splitlines())
    assert "the base, over its own: 0.25" in " ".join(said.output.split())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_small_table_end_to_end_and_its_ledger_verifies(tmp_path: Path) -> None:
    arguments = [
        "privacy", "utility", "--out", str(tmp_path / "runs"), "--rows", "1k-none,1k-4", "--seeds", "1",
        "--processes", "1", "--json", str(tmp_path / "table.json"),
        *(f"--set={key}={value}" for key, value in _SMALL.items()),
    ]  # fmt: skip
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output

    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["row"]["epsilon"] for row in rows] == [None, 4.0]
    assert rows[0]["guarantee"] is None
    assert rows[1]["guarantee"]["epsilon_server"] <= 4.0
    assert ("retained_gain" in rows[1]) != ("not_compared" in rows[1])  # so few users may gain nothing
    # Nothing is run again, and the table is the same.
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0
    assert json.loads((tmp_path / "table.json").read_text())["rows"] == rows

    ledger = tmp_path / "runs" / "1k-4-0" / LEDGER_FILE
    verified = CliRunner().invoke(app, ["privacy", "verify", str(ledger)])
    assert verified.exit_code == 0
    assert verified.output.count("agrees") == 2
    assert "12 devices, 2 requests to cohorts, 2 releases" in " ".join(verified.output.split())
    lines = ledger.read_text().splitlines()
    ledger.write_text("\n".join([*lines[:1], *lines[2:]]) + "\n")
    damaged = CliRunner().invoke(app, ["privacy", "verify", str(ledger)])
    assert damaged.exit_code == 1
    assert "is not what was written there" in " ".join(damaged.output.split())


def test_rows_that_are_not_there_are_named() -> None:
    listed = CliRunner().invoke(app, ["privacy", "utility", "--out", "x", "--rows", "help"])
    assert "10k-1-ftrl" in listed.output
    refused = CliRunner().invoke(app, ["privacy", "utility", "--out", "x", "--rows", "1m-1"])
    assert refused.exit_code == 1
    assert "there is no row '1m-1'" in refused.output
