"""What `tacit-server status` and Prometheus are told: figures of accountants, and of nobody alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from server.cli import app
from server.deployment.devices import DeviceBook
from server.deployment.directory import ServerDirectory, ServerSettings
from server.deployment.metrics import build_metrics
from server.deployment.overview import look_at
from server.deployment.runs import ServerRun
from shared.plan_guarantees import plan_guarantees, planned_guarantees
from shared.privacy.guarantee import format_epsilon
from simulations.engines.inline import run_inline
from tests.federation import MARKER, FewDevices, plan
from tests.server.deployment.listening import listening
from tests.server.deployment.test_devices import card

_SAMPLE = re.compile(r'tacit_[a-z_]+(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? (\+Inf|-?[0-9.e+-]+)')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> ServerDirectory:
    made = ServerDirectory.create(tmp_path_factory.mktemp("a") / "server", ServerSettings(host="a.example"))
    book = DeviceBook(made.devices)
    for place in range(3):
        book.enrol(card(place + 77))
    book.revoke(2)
    of = plan(rounds=3, cohort_size=3, private=True)
    run = ServerRun(made, "first")
    run.want(of, resume=False)
    try:
        run_inline(of, FewDevices(), directory=run.path, processes=0, observe=_stop_after_two)
    except InterruptedError:
        run.settle("failed", "interrupted")
    of = plan(rounds=2, cohort_size=4)
    second = ServerRun(made, "second")
    second.want(of, resume=False)
    run_inline(of, FewDevices(failing=(1,)), directory=second.path, processes=0)
    return made


def _stop_after_two(record: object) -> None:
    if getattr(record, "round_number", 0) == 2:
        raise InterruptedError


def test_the_budget_is_what_the_accountants_say_of_what_was_asked(server: ServerDirectory) -> None:
    overview = look_at(server)
    run = overview.runs[0]
    (budget,) = run.budgets
    of = plan(rounds=3, cohort_size=3, private=True)
    planned, spent = planned_guarantees(of).pair, plan_guarantees(of, devices=4, requests=2, releases=2).pair

    assert planned is not None
    assert spent is not None
    assert (run.released, run.rounds, run.asked, run.state, run.said) == (2, 3, 2, "failed", "interrupted")
    assert (budget.unit, budget.server_planned, budget.models_planned) == (
        "pair", format_epsilon(planned.epsilon_server), format_epsilon(planned.epsilon_model_observer),
    )  # fmt: skip
    assert (budget.server_so_far, budget.models_so_far) == (
        format_epsilon(spent.epsilon_server), format_epsilon(spent.epsilon_model_observer),
    )  # fmt: skip
    assert float(budget.server_so_far) < float(budget.server_planned)
    assert (overview.devices.enrolled, overview.devices.revoked, overview.devices.online) == (2, 1, None)


def test_who_was_left_out_is_counted_by_reason_and_no_promise_is_no_figure(server: ServerDirectory) -> None:
    run = look_at(server).runs[1]

    assert (run.name, run.cohort, run.replies, run.failures, run.budgets) == ("second", 4, 3, {"failed": 2}, ())


def test_a_run_that_nobody_was_asked_for_has_cost_nothing(tmp_path: Path) -> None:
    made = ServerDirectory.create(tmp_path / "server", ServerSettings(host="a.example"))
    ServerRun(made, "new").want(plan(private=True), resume=False)

    (budget,) = look_at(made).runs[0].budgets
    assert (budget.server_so_far, budget.models_so_far) == ("0.00", "0.00")
    assert float(budget.server_planned) > 0


@pytest.mark.parametrize("file", ["run.toml", "control.json", "rounds.jsonl"])
def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path, file: str) -> None:
    made = ServerDirectory.create(tmp_path / "server", ServerSettings(host="a.example"))
    for name in ("broken", "whole"):
        ServerRun(made, name).want(plan(), resume=False)
    (made.run("broken") / file).write_text("x = 1\n{}\n")
    text = CliRunner().invoke(app, ["status", str(made.path)])
    as_json = json.loads(CliRunner().invoke(app, ["status", str(made.path), "--json"]).stdout)
    with listening(build_metrics(made)) as port:
        samples = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()

    assert text.exit_code == 0
    assert re.search(r"broken\W+unreadable", text.output)
    assert f"broken/{file}" in "".join(text.output.split())
    assert [one["name"] for one in as_json["runs"]] == ["whole"]
    assert [one["name"] for one in as_json["unreadable"]] == ["broken"]
    assert [line for line in samples if 'run="broken"' in line] == [
        'tacit_run_state{run="broken",state="unreadable"} 1'
    ]
    assert 'tacit_run_state{run="whole",state="wanted"} 1' in samples


def test_prometheus_is_told_numbers_about_all_devices_together(server: ServerDirectory) -> None:
    with listening(build_metrics(server)) as port:
        said = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/devices.json").status_code == 404
    samples = [line for line in said.splitlines() if not line.startswith("#")]

    assert all(_SAMPLE.fullmatch(line) for line in samples), samples
    assert "tacit_devices_enrolled 2" in samples
    assert "tacit_up 0" in samples
    assert 'tacit_run_devices_left_out{run="second",reason="failed"} 2' in samples
    assert 'tacit_run_rounds_released{run="first"} 2' in samples
    assert {key for line in samples for key in re.findall(r"([a-z]+)=", line)} <= {
        "run", "state", "reason", "unit", "observer"
    }  # fmt: skip
    for name in ("so far", "end of the plan"):
        assert name in said
    identities = [one.card.identity for one in DeviceBook(server.devices).every()]
    assert not [secret for secret in (*identities, MARKER, str(server.path)) if secret in said]
    assert CliRunner().invoke(app, ["status", str(server.path), "--prometheus"]).stdout == said


def test_status_says_it_as_text_and_as_json(server: ServerDirectory) -> None:
    text = " ".join(CliRunner().invoke(app, ["status", str(server.path)]).output.split())
    as_json = json.loads(CliRunner().invoke(app, ["status", str(server.path), "--json"]).stdout)

    assert "server not up; devices: ? online, 2 enrolled, 1 revoked" in text
    assert "first, one pair: ε = " in text
    assert as_json["runs"][0]["released"] == 2
    assert as_json["runs"][0]["budgets"][0]["unit"] == "pair"
    one = CliRunner().invoke(app, ["status", str(server.path / "runs" / "first")])
    assert "2 of 3 rounds released" in one.output
