"""A server as an operator starts it, with real devices behind TLS: what dies comes back, and nobody gets in."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from flwr.proto.control_pb2 import ListNodesRequest, StartRunRequest
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from client.privacy_ledger import PrivacyLedger
from client.profile import Profile
from server.deployment.bundle import build_bundle
from server.deployment.directory import ServerDirectory, ServerSettings
from server.deployment.running import free_ports, read_running
from server.deployment.runs import ServerRun
from server.ledger import LEDGER_FILE, read_state
from server.releases import read_rounds
from shared.invite import Invite
from shared.round_plan import FederationPlan
from shared.signing_key import SigningKey
from simulations.engines.inline import run_inline
from tests.client.profiles import PASSPHRASE
from tests.client.test_joining import made_profile
from tests.federation import MARKER, FewDevices, adapter_vector, plan
from tests.processes import lives

_BESIDE = Path(sys.executable).parent
_SECONDS = 400.0


@dataclass(frozen=True)
class Site:
    """A server's directory and what runs beside it."""

    directory: ServerDirectory
    place: Path
    profiles: tuple[Profile, ...]

    def tacit_server(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [_BESIDE / "tacit-server", *arguments],
            env={**os.environ, "TACIT_SERVER": str(self.directory.path)}, capture_output=True, text=True,
            timeout=_SECONDS,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())

    def tacit(self, number: int, *arguments: str) -> None:
        subprocess.run(
            [_BESIDE / "tacit", *arguments], env=os.environ | self._home(number), check=True, timeout=_SECONDS
        )

    def _home(self, number: int) -> dict[str, str]:
        return {"TACIT_HOME": str(self.profiles[number].home), "TACIT_PASSPHRASE": PASSPHRASE}

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        log = self.place / "up.log"
        with (
            log.open("wb") as file,
            _process([_BESIDE / "tacit-server", "up", str(self.directory.path)], file, {}) as process,
        ):
            until(lambda: {"superlink serves", "front-door serves"} <= set(log.read_text().splitlines()))
            yield process

    @contextmanager
    def joined(self, number: int) -> Iterator[None]:
        invite = self.place / "invite.json"
        fingerprint = Invite.parse(invite.read_text()).fingerprint()
        command = [_BESIDE / "tacit", "join", invite, "--fingerprint", fingerprint, "--number", number]
        with (self.place / f"join-{number}.log").open("wb") as file, _process(command, file, self._home(number)):
            yield


@contextmanager
def _process(command: list[object], log: object, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        list(map(str, command)),
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=log,
        stderr=log,  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()


def until(true: Callable[[], bool], seconds: float = _SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def children(parent: int) -> dict[int, str]:
    """Process id and command of a process's children."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    split = (line.split(None, 2) for line in listed.splitlines())
    return {int(pid): arguments for pid, ppid, arguments in split if int(ppid) == parent}


def kill(parent: int, name: str) -> None:
    (found,) = [pid for pid, command in children(parent).items() if f"processes {name} " in command]
    os.kill(found, signal.SIGKILL)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    front, metrics = free_ports(2)
    settings = ServerSettings(host="localhost", listen="127.0.0.1", port=front, metrics_port=metrics)
    directory = ServerDirectory.create(tmp_path / "server", settings)
    profiles = tuple(made_profile(tmp_path / f"home-{i}", monkeypatch, FewDevices(devices=2), i) for i in range(2))
    monkeypatch.undo()
    made = Site(directory=directory, place=tmp_path, profiles=profiles)
    for number in range(2):
        made.tacit(number, "card", "--out", str(tmp_path / f"card-{number}.json"))
    organiser = made.tacit_server("organiser", "init", str(tmp_path / "organiser")).split()[0]
    code = str(tmp_path / "code.json")
    made.tacit_server(
        "organiser", "allow-code", build_bundle().digest, "--key", str(tmp_path / "organiser" / "organiser.key"),
        "--version", "1", "--days", "1", "--out", code,
    )  # fmt: skip
    made.tacit_server(
        "invite", str(directory.path), "--organiser-key", organiser, "--code-list", code,
        "--out", str(tmp_path / "invite.json"),
    )  # fmt: skip
    return made


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_survives_the_death_of_each_process_and_ends_as_if_nothing_had_happened(
    site: Site, tmp_path: Path
) -> None:
    of, population = plan(rounds=3, cohort_size=2, devices=2, attempts=1, round_timeout=300.0), FewDevices(devices=2)
    run_inline(of, population, directory=tmp_path / "inline", processes=0)
    run = ServerRun(site.directory, "first")
    assert "device 0" in site.tacit_server("enrol", str(tmp_path / "card-0.json"))  # the server is not up yet
    with site.up() as up:
        assert "device 1" in site.tacit_server("enrol", str(tmp_path / "card-1.json"))
        with site.joined(0), site.joined(1):
            plan_file = tmp_path / "plan.toml"
            plan_file.write_text(_as_toml(of))
            site.tacit_server("train", "--plan", str(plan_file), "--name", "first", "--no-follow")
            for number, victim in enumerate(("executor", "superlink", "front-door"), start=1):
                until(lambda number=number: number in _asked(run))  # type: ignore[misc]
                kill(up.pid, victim)
            until(lambda: (now := run.control()) is not None and now.is_over)
            assert "2 online" in site.tacit_server("status")
        said = site.tacit_server("train", "--name", "first", "--resume")
        family = list(children(up.pid))
    until(lambda: not any(map(lives, family)), 30.0)

    now, ledger = run.control(), read_state(run.path / LEDGER_FILE)
    assert now is not None
    assert ledger is not None
    assert (now.state, now.said) == ("finished", "")
    assert "is finished" in said
    assert [record.replies for record in read_rounds(run.path)] == [2, 2, 2]
    np.testing.assert_allclose(adapter_vector(run.path), adapter_vector(tmp_path / "inline"), atol=1e-5)
    assert ledger.asked == ((1, 1), (2, 1), (3, 1))
    assert ledger.released == (1, 2, 3)
    signed_by = SigningKey.load(site.directory.signing_key).public
    for profile in site.profiles:
        charges = PrivacyLedger(directory=profile.ledger_directory, anchor_directory=profile.state_directory).charges()
        assert [(one.round_number, one.attempt) for one in charges] == [(1, 1), (2, 1), (3, 1)]
        assert {(one.run, one.server) for one in charges} == {(ledger.run, signed_by)}
    ended = [line for line in (tmp_path / "up.log").read_text().splitlines() if "SIGKILL" in line]
    assert [line.split(":")[0] for line in ended] == [
        f"{victim} ended (signal SIGKILL)" for victim in ("executor", "superlink", "front-door")
    ]
    _check_logs(site.directory)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_devices_reach_nothing_but_the_fleet_and_revoked_ones_not_even_that(site: Site, tmp_path: Path) -> None:
    site.tacit_server("enrol", str(tmp_path / "card-0.json"))
    with site.up() as up:
        assert "is up already" in site.tacit_server("up", status=1)
        running = read_running(site.directory)
        assert running is not None
        settings = site.directory.settings()
        authority = site.directory.authority.read_bytes()
        inside, outside = (
            ControlHttpClient.from_server_address(
                server_address=f"localhost:{port}", insecure=False, root_certificates=authority,
                interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
            )
            for port in (running.superlink, settings.port)
        )  # fmt: skip
        # Asked for within, so that what follows can fail.
        assert len(inside.ListNodes(ListNodesRequest()).nodes_info) == 1
        for call in (lambda: outside.ListNodes(ListNodesRequest()), lambda: outside.StartRun(StartRunRequest())):
            with pytest.raises(httpx.HTTPStatusError) as refused:
                call()
            assert refused.value.response.status_code == 404
        acquire = AcquireTaskRequest(supported_task_types=["flwr-serverapp"])
        statuses = []
        for port, secret in ((running.superlink, b"x" * 32), (settings.port, site.directory.secret.read_bytes())):
            runtime = RuntimeHttpClient.from_server_address(
                server_address=f"localhost:{port}", insecure=False, root_certificates=authority,
                interceptors=[
                    RuntimeVersionHttpInterceptor(component_name="flwr-serverapp"),
                    SuperExecAuthHttpInterceptor(
                        master_secret=secret, protected_methods=frozenset({"/flwr.proto.Runtime/AcquireTask"})
                    ),
                ],
            )  # fmt: skip
            with pytest.raises(httpx.HTTPStatusError) as refused:
                runtime.AcquireTask(acquire)
            statuses.append(refused.value.response.status_code)
        assert statuses == [401, 404]

        with site.joined(0), site.joined(1):  # the second is not enrolled
            until(lambda: "online" in site.tacit_server("devices"))
            until(lambda: "the connection to the server ended" in (tmp_path / "join-1.log").read_text())
            assert "1 online, 1 enrolled" in site.tacit_server("status")
            site.tacit_server("revoke", "0")
            assert "0 online, 0 enrolled, 1 revoked" in site.tacit_server("status")
            until(lambda: "the connection to the server ended" in (tmp_path / "join-0.log").read_text())
        family = list(children(up.pid))
    until(lambda: not any(map(lives, family)), 30.0)
    assert "stopped" in (tmp_path / "up.log").read_text()
    _check_logs(site.directory)


def _check_logs(directory: ServerDirectory) -> None:
    logs = b"".join(path.read_bytes() for path in directory.logs.iterdir())
    secrets = [path.read_bytes() for path in (directory.secret, directory.signing_key)]
    spelled = [one for raw in secrets for one in (raw, raw.hex().encode(), base64.b64encode(raw))]
    keys = [path.read_bytes().splitlines()[1] for path in directory.tls.glob("*.key")]
    assert len(logs) > 1000
    assert not [one for one in (MARKER.encode(), PASSPHRASE.encode(), *spelled, *keys) if one in logs]


def _asked(run: ServerRun) -> list[int]:
    state = read_state(run.path / LEDGER_FILE)
    return [] if state is None else [number for number, _ in state.asked]


def _as_toml(of: FederationPlan) -> str:
    import tomli_w

    from shared.flat_config import to_tables

    return tomli_w.dumps(to_tables(of.to_run_config()))
