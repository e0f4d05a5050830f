"""What is wanted of a run, and what the executor makes of it when processes have died."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from flwr.proto.control_pb2 import ListNodesRequest, ListNodesResponse
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.inflatable.inflatable_utils import ObjectPushError
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from server.deployment.bundle import Bundle
from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory, ServerSettings
from server.deployment.executor import ServerExecutor, _outcome, _serve
from server.deployment.running import Running
from server.deployment.runs import RunControl, RunState, ServerRun, runs_of
from server.deployment.superlink import SuperLinkControl, UnansweredError
from server.releases import CHECKPOINT_FILE, ROUNDS_FILE, ReleaseError
from server.roster import Numbers
from shared.flat_config import from_tables
from shared.plan_terms import SecureAggregationTerms
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from tests.federation import MARKER
from tests.server.deployment.test_devices import card


@pytest.fixture
def server(tmp_path: Path) -> ServerDirectory:
    return ServerDirectory.create(tmp_path / "server", ServerSettings(host="localhost"))


@dataclass
class ScriptedSuperLink:
    """Stands for SuperLink's Control API."""

    states: dict[int, str] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    refusing: dict[str, Exception] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None

    def run_states(self) -> dict[int, str]:
        return self.states

    def start_run(self, _bundle: Bundle, settings: dict[str, str]) -> int:
        (name,) = settings.values()
        if name in self.refusing:
            raise self.refusing[name]
        self.started.append(name)
        self.meanwhile()
        return 100 + len(self.started)

    def stop_run(self, run: int) -> None:
        self.stopped.append(run)


def executor(server: ServerDirectory) -> ServerExecutor:
    return ServerExecutor(server, Running(pid=1, superlink=1, health=2))


def wanted(server: ServerDirectory, name: str = "a", **changes: object) -> ServerRun:
    run = ServerRun(server, name)
    run.want(FederationPlan(), resume=False)
    if changes:
        run.change(**changes)
    return run


def test_a_run_is_written_down_whole_with_the_servers_own_places(server: ServerDirectory) -> None:
    run = wanted(server)
    keys = from_tables(tomllib.loads((run.path / "run.toml").read_text()))

    assert run.plan() == FederationPlan()
    assert RunOutput.from_run_config(keys) == RunOutput(
        directory=str(server.runs / "a"), signing_key=str(server.signing_key)
    )
    assert run.control() == RunControl(state="wanted")
    assert [one.name for one in runs_of(server)] == ["a"]


def test_masks_need_the_organisers_roster(server: ServerDirectory) -> None:
    plan = FederationPlan(devices=20, secure_aggregation=SecureAggregationTerms())
    with pytest.raises(DeploymentError, match="bring the organiser's list"):
        ServerRun(server, "a").want(plan, resume=False)
    server.roster.write_text("{}")

    ServerRun(server, "a").want(plan, resume=False)
    assert ServerRun(server, "a").configuration(again=False)["output.roster"] == str(server.roster)


def test_a_run_is_neither_begun_twice_nor_written_over(server: ServerDirectory) -> None:
    with pytest.raises(DeploymentError, match="no run a to resume"):
        ServerRun(server, "a").want(FederationPlan(), resume=True)
    run = wanted(server)
    with pytest.raises(DeploymentError, match="under way already"):
        run.want(FederationPlan(), resume=True)
    run.settle("failed", "too few replies")
    with pytest.raises(DeploymentError, match="--resume"):
        run.want(FederationPlan(), resume=False)

    run.want(FederationPlan(), resume=True)
    assert run.control() == RunControl(state="wanted")
    assert run.configuration(again=False)["output.resume"] is True


@pytest.mark.parametrize(
    ("state", "at_superlink", "again"),
    [
        ("running", "running", True),  # the executor died
        ("running", "starting", True),
        ("running", "finished:failed", True),  # its heartbeats stopped for a minute
        ("running", None, True),  # SuperLink's database was lost
        ("running", "pending", False),  # it waits for this executor
        ("wanted", None, True),
        ("finished", "finished:completed", False),
        ("failed", "finished:failed", False),
        ("stopped", "running", False),
    ],
)
def test_a_run_that_was_lost_is_started_again_and_no_other(
    server: ServerDirectory, state: RunState, at_superlink: str | None, again: bool
) -> None:
    run = wanted(server, state=state, flower_run=7, starts=1)
    superlink = ScriptedSuperLink(states={} if at_superlink is None else {7: at_superlink})
    one = executor(server)
    one._start_lost(superlink)  # type: ignore[arg-type]
    one._start_wanted(superlink)  # type: ignore[arg-type]
    now = run.control()

    assert superlink.started == (["a"] if again else [])
    assert superlink.stopped == []  # a device may be in the middle of its message
    assert now == RunControl(
        state="running" if again else state,
        flower_run=101 if again else 7,
        starts=2 if again else 1,
        fruitless=1 if again and state == "running" else 0,
    )


def test_a_run_that_is_lost_at_every_start_ends(server: ServerDirectory) -> None:
    run = wanted(server, state="running", flower_run=7, starts=1)
    superlink, one = ScriptedSuperLink(), executor(server)
    for _ in range(20):
        one._start_lost(superlink)  # type: ignore[arg-type]
        one._start_wanted(superlink)  # type: ignore[arg-type]
    now = run.control()

    assert now is not None
    assert now.state == "failed"
    assert "lost 9 times without a release" in now.said
    assert len(superlink.started) == 8
    run.want(FederationPlan(), resume=True)
    assert run.control() == replace(now, state="wanted", said="", fruitless=0)


def test_a_release_between_two_losses_counts(server: ServerDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    run = wanted(server, state="running", flower_run=7)
    for released in range(20):
        monkeypatch.setattr("server.deployment.runs.read_rounds", lambda _, released=released: range(released))
        assert run.lose(1)
        assert run.hand_over(8)


@pytest.mark.parametrize(
    ("raised", "state", "said"),
    [
        (None, "finished", ""),
        (ReleaseError("there is no room"), "failed", "there is no room"),
        (RuntimeError(f"quotes {MARKER}"), "failed", "an error of kind RuntimeError: see logs/executor.log"),
        (httpx.ConnectError("away"), "running", ""),
        (ObjectPushError("a", 1, "b"), "running", ""),
        (UnansweredError("SuperLink does not answer"), "running", ""),
    ],
)
def test_an_operator_is_told_why_and_a_dying_superlink_is_no_failure(
    server: ServerDirectory, raised: Exception | None, state: RunState, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = wanted(server, state="running", flower_run=7)

    def serve() -> None:
        if raised is not None:
            raise raised

    with pytest.raises(type(raised)) if state == "running" and raised is not None else nullcontext():
        _outcome(run, serve)
    now = run.control()
    assert now is not None
    assert (now.state, now.said) == (state, said)
    assert MARKER not in caplog.text


def test_a_damaged_run_keeps_no_other_from_running(server: ServerDirectory) -> None:
    wanted(server, "broken")
    wanted(server, "whole")
    (server.runs / "broken" / "control.json").write_text("{")
    shutil.copytree(server.runs / "whole", server.runs / "whole (copy)")
    superlink = ScriptedSuperLink()

    executor(server)._start_wanted(superlink)  # type: ignore[arg-type]

    assert superlink.started == ["whole"]


def test_a_lost_run_whose_rounds_are_damaged_fails_alone(server: ServerDirectory) -> None:
    broken, whole = (wanted(server, name, state="running", flower_run=7) for name in ("broken", "whole"))
    (broken.path / ROUNDS_FILE).write_text(f"{{{MARKER}\n{{}}\n")
    superlink, one = ScriptedSuperLink(), executor(server)
    one._start_lost(superlink)  # type: ignore[arg-type]
    one._start_wanted(superlink)  # type: ignore[arg-type]
    now, other = broken.control(), whole.control()

    assert now is not None
    assert other is not None
    assert (now.state, other.state, superlink.started) == ("failed", "running", ["whole"])
    assert "it cannot be started" in now.said
    assert "line 1: damaged" in now.said
    assert MARKER not in now.said


@pytest.mark.parametrize(
    ("refusal", "state", "started"),
    [
        (DeploymentError("SuperLink refused to start a run"), "failed", ["second"]),
        (ReleaseError("damaged"), "failed", ["second"]),
        (PermissionError(13, "Permission denied"), "failed", ["second"]),
        (UnansweredError("SuperLink does not answer"), "wanted", []),
    ],
)
def test_a_run_that_superlink_refuses_holds_up_no_other_and_a_silent_one_fails_none(
    server: ServerDirectory, refusal: Exception, state: RunState, started: list[str]
) -> None:
    first = wanted(server, "first")
    wanted(server, "second")
    superlink = ScriptedSuperLink(refusing={"first": refusal})
    silent = isinstance(refusal, UnansweredError)
    with pytest.raises(UnansweredError) if silent else nullcontext():
        executor(server)._start_wanted(superlink)  # type: ignore[arg-type]
    now = first.control()

    assert now is not None
    assert (now.state, superlink.started) == (state, started)
    assert bool(now.said) != silent


@pytest.mark.parametrize(
    ("name", "flower_run"), [("a", 8), ("b", 7), ("over", 7), ("../a", 7), ("", 7), ("/etc", 7), ("a/../a", 7)]
)
def test_a_run_that_this_server_did_not_hand_over_is_refused(
    server: ServerDirectory, name: str, flower_run: int
) -> None:
    wanted(server, "a", state="running", flower_run=7)
    wanted(server, "over", state="finished", flower_run=7)

    assert executor(server)._named("a", 7) is not None
    assert executor(server)._named(name, flower_run) is None


def test_a_run_started_again_goes_on_from_its_last_release(server: ServerDirectory) -> None:
    run = wanted(server)

    assert run.configuration(again=True)["output.resume"] is False  # nothing was released
    (run.path / CHECKPOINT_FILE).write_bytes(b"")
    assert run.configuration(again=True)["output.resume"] is True
    assert run.configuration(again=False)["output.resume"] is False


def test_a_run_is_told_whose_node_is_whose_by_the_keys_of_enrolled_devices(
    server: ServerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = DeviceBook(server.devices)
    keys = [public_key_to_bytes(book.enrol(card(place))[0].card.public_key()) for place in range(3)]
    book.revoke(1)
    nodes = [NodeInfo(node_id=50 + place, public_key=key, status="online") for place, key in enumerate(keys)]
    nodes += [NodeInfo(node_id=60, public_key=b"nobody's", status="online")]
    given: list[Numbers] = []

    class Client:
        def ListNodes(self, _: ListNodesRequest) -> ListNodesResponse:  # noqa: N802  # Flower's name
            return ListNodesResponse(nodes_info=nodes)

    def connection(*_: object) -> AbstractContextManager[SuperLinkControl]:
        return nullcontext(SuperLinkControl(Client()))  # type: ignore[arg-type]

    def built(*, run_config: object, numbers: Numbers) -> Callable[..., None]:
        assert run_config
        return lambda *_: given.append(numbers)

    monkeypatch.setattr("server.deployment.executor.connected", connection)
    monkeypatch.setattr("server.app.build_server_app", built)
    _serve(wanted(server), None, SimpleNamespace(), executor(server)._numbers)  # type: ignore[arg-type]

    assert given[0]() == {50: 0, 52: 2}
    assert book.enrol(card(9))[0].number == 3
    key = public_key_to_bytes(book.find("3").card.public_key())
    nodes.append(NodeInfo(node_id=70, public_key=key, status="online"))
    assert given[0]() == {50: 0, 52: 2, 70: 3}  # enrolled while a run waits


def test_what_is_stopped_while_superlink_starts_it_stays_stopped_and_ends_there(server: ServerDirectory) -> None:
    run = wanted(server, starts=1)
    superlink = ScriptedSuperLink(meanwhile=lambda: run.settle("stopped"))

    executor(server)._start_wanted(superlink)  # type: ignore[arg-type]

    assert run.control() == RunControl(state="stopped", starts=1)
    assert superlink.stopped == [101]


def test_a_start_that_cannot_be_written_down_ends_at_superlink(server: ServerDirectory) -> None:
    run = wanted(server)
    superlink = ScriptedSuperLink(meanwhile=lambda: (run.path / "control.json").write_text("{"))

    executor(server)._start_wanted(superlink)  # type: ignore[arg-type]

    assert superlink.stopped == [101]


def test_a_run_stopped_after_it_was_found_lost_is_not_asked_for_again(
    server: ServerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = wanted(server, state="running", flower_run=7)

    def stopping(_: Path) -> list[object]:
        run.settle("stopped")
        return []

    monkeypatch.setattr("server.deployment.runs.read_rounds", stopping)

    assert not run.lose(1)
    assert run.control() == RunControl(state="stopped", flower_run=7)


def test_what_an_operator_has_stopped_stays_stopped(server: ServerDirectory) -> None:
    run = wanted(server, state="running", flower_run=7)
    run.settle("stopped")
    run.settle("failed", "SuperLink ended the run")

    now = run.control()
    assert now is not None
    assert now.state == "stopped"
