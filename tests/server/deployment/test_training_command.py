"""`tacit-server train` and `stop`: what an operator is told, and what Ctrl-C leaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.deployment import overview
from server.deployment.directory import ServerDirectory, ServerSettings
from server.deployment.running import claimed, free_ports
from server.deployment.runs import RunState, ServerRun
from shared.round_plan import FederationPlan

PLAIN = ["train", "--set", "federation.aggregation=plain", "--name", "first"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerDirectory:
    made = ServerDirectory.create(tmp_path / "server", ServerSettings(host="a.example"))
    (tmp_path / "plan.toml").write_text("[federation]\nrounds = 2\n")
    monkeypatch.setenv("TACIT_SERVER", str(made.path))
    return made


def train(server: ServerDirectory, status: int, *more: str) -> str:
    plan = str(server.path.parent / "plan.toml")
    shown = CliRunner().invoke(app, [*PLAIN, "--plan", plan, *more])
    assert shown.exit_code == status, shown.output
    return " ".join(shown.output.split())


@pytest.fixture
def up(server: ServerDirectory) -> Iterator[None]:
    port, metrics = free_ports(2)
    with claimed(server, replace(server.settings(), listen="127.0.0.1", port=port, metrics_port=metrics)):
        yield


def _state(server: ServerDirectory) -> RunState | None:
    now = ServerRun(server, "first").control()
    return None if now is None else now.state


def test_a_run_waits_for_its_server(server: ServerDirectory) -> None:
    said = train(server, 0)

    assert "the server is not up: the run begins when it is" in said
    assert "promise: no privacy" in said
    assert ServerRun(server, "first").plan().rounds == 2
    assert _state(server) == "wanted"
    assert "under way already" in train(server, 1)


@pytest.mark.usefixtures("up")
def test_ctrl_c_ends_the_showing_and_not_the_run(server: ServerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: ServerRun) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(overview, "look_at_run", interrupted)

    assert "the run goes on" in train(server, 130)
    assert _state(server) == "wanted"


@pytest.mark.usefixtures("up")
def test_a_run_that_fails_says_why(server: ServerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    look = overview.look_at_run

    def failing(run: ServerRun) -> overview.RunOverview:
        run.settle("failed", "1 of the 20 devices answered the roll call")
        return look(run)

    monkeypatch.setattr(overview, "look_at_run", failing)

    assert "the run first failed: 1 of the 20 devices answered the roll call" in train(server, 1)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "federation.bounds=1"], "federation.bounds"),
        (["--set", "federation.aggregation=secure"], "bring the organiser's list"),
        (["--name", "../x"], "a run's name"),
        (["--resume"], "no run first to resume"),
    ],
)
def test_a_mistake_begins_nothing(server: ServerDirectory, more: list[str], said: str) -> None:
    assert said in train(server, 1, *more)
    assert list(server.runs.iterdir()) == []


@pytest.mark.usefixtures("up")
def test_a_run_that_was_handed_over_while_it_was_stopped_is_ended_at_superlink(
    server: ServerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, ended = ServerRun.settle, []

    class Control:
        def stop_run(self, run: int) -> None:
            ended.append(run)

    def late(run: ServerRun, state: RunState, said: str = "") -> None:
        run.hand_over(9)
        settle(run, state, said)

    ServerRun(server, "first").want(FederationPlan(), resume=False)
    monkeypatch.setattr(ServerRun, "settle", late)
    monkeypatch.setattr("server.deployment.superlink.connected", lambda *_: nullcontext(Control()))

    assert "the run first is stopped" in CliRunner().invoke(app, ["stop", "first"]).output
    assert ended == [9]
    assert _state(server) == "stopped"


def test_a_run_is_stopped_and_resumed(server: ServerDirectory) -> None:
    train(server, 0)
    assert "the run first is stopped" in CliRunner().invoke(app, ["stop", "first"]).output
    assert _state(server) == "stopped"
    assert "--resume" in train(server, 1)

    train(server, 0, "--resume")
    assert _state(server) == "wanted"
    assert "the run first is stopped" in CliRunner().invoke(app, ["stop", "first"]).output
    assert "the run first is over" in CliRunner().invoke(app, ["stop", "first"]).output
    assert "there is no run other" in CliRunner().invoke(app, ["stop", "other"]).output
