"""What an operator types."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from shared.flat_config import from_tables
from shared.plan_terms import SecureAggregationTerms
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from simulations.engines.inline import run_inline
from tests.federation import FewDevices
from tests.federation import plan as make_plan


def test_a_plan_is_printed_whole_for_flower(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["plan", "--set", "federation.rounds=3", "--out", str(tmp_path)])

    assert shown.exit_code == 0
    keys = from_tables(tomllib.loads(shown.stdout))
    assert FederationPlan.from_run_config(keys) == FederationPlan(
        rounds=3, devices=20, secure_aggregation=SecureAggregationTerms()
    )
    assert RunOutput.from_run_config(keys).directory == str(tmp_path)
    assert "no single one" in shown.stderr
    plain = CliRunner().invoke(app, ["plan", "--set", "federation.aggregation=plain"])
    assert "no privacy" in plain.stderr


def test_a_private_plan_says_what_it_promises() -> None:
    terms = {
        "privacy.unit": "both",
        "pair-privacy.noise-multiplier": 2.0,
        "pair-privacy.sample-rate": 0.5,
        "pair-privacy.max-grad-norm": 1.0,
        "federation.sampling": "schedule",
        "federation.devices": 240,
        "user-privacy.noise-multiplier": 3.0,
    }
    shown = CliRunner().invoke(app, ["plan", *(f"--set={key}={value}" for key, value in terms.items())])

    assert shown.exit_code == 0
    said = " ".join(shown.stderr.split())
    # Two units, two statements, never one.
    assert said.count("promise:") == 2
    assert "One preference pair, its content replaced by nothing" in said
    assert "One user (all of a device's data), its content replaced by nothing" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--set", "federation.bounds=3"], "federation.bounds"),
        (["plan", "--set", "privacy.unit=pair"], "pair-privacy.noise-multiplier: is missing"),
        (["status", "/nowhere"], "there is no directory"),
        (
            ["organiser", "roster", "/nowhere", "--key", "/no.key", "--federation=a", "--version=1", "--out=/no"],
            "cannot read /no.key",
        ),
    ],
)
def test_mistakes_are_explained(arguments: list[str], said: str) -> None:
    shown = CliRunner().invoke(app, arguments)

    assert shown.exit_code == 1
    assert said in shown.stderr


def test_status_shows_rounds_and_who_failed(tmp_path: Path) -> None:
    empty = CliRunner().invoke(app, ["status", str(tmp_path)])
    assert "no round" in empty.output
    run_inline(make_plan(rounds=2, cohort_size=4), FewDevices(failing=(1,)), directory=tmp_path, processes=0)

    shown = CliRunner().invoke(app, ["status", str(tmp_path)])
    as_json = CliRunner().invoke(app, ["status", str(tmp_path), "--json"])

    assert "2 of 2 rounds released" in shown.output
    assert "(device 1): failed" in shown.output
    assert [json.loads(line)["replies"] for line in as_json.output.splitlines()] == [3, 3]
