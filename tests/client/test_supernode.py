"""The SuperNode that a device starts, and how its connection begins and ends: with a stand-in for Flower's program."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from flwr.clientapp import ClientApp

from client import joining, supernode
from client.joining import take_part
from client.local_executor import LocalExecutor
from client.membership import HasLeftError, leave, resume
from client.profile import Profile
from client.server_settings import ServerSettings
from client.supernode import SuperNode
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from tests.client.listening import listening
from tests.client.profiles import new_profile, opened, use_home

SETTINGS = ServerSettings(host="127.0.0.1", port=9)
# Notes its start; answers every request with 401, as a node does that does not know a task any more.
STAND_IN = """#!{python}
import pathlib, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
given = dict(zip(sys.argv[1:], sys.argv[2:]))
class Refuses(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with open({asked!r}, "a") as file:
            file.write(self.path + "\\n")
        self.send_response(401)
        self.end_headers()
    def log_message(self, *_):
        pass
secret = pathlib.Path(given["--superexec-auth-secret-file"]).read_bytes().hex()
with open({started!r}, "a") as file:
    file.write(given["--port"] + " " + secret + "\\n")
HTTPServer(("127.0.0.1", int(given["--port"])), Refuses).serve_forever()
"""


class StandIn:
    """A program in the place of flower-supernode."""

    def __init__(self, place: Path) -> None:
        self._started, self._asked = place / "started", place / "asked"
        self.command = place / "flower-supernode"
        text = STAND_IN.format(python=sys.executable, started=str(self._started), asked=str(self._asked))
        self.command.write_text(text)
        self.command.chmod(0o700)

    def started(self) -> list[str]:
        return self._started.read_text().splitlines() if self._started.exists() else []

    def asked(self) -> list[str]:
        return self._asked.read_text().splitlines() if self._asked.exists() else []


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    made = StandIn(tmp_path)
    monkeypatch.setattr(joining, "supernode_command", lambda: str(made.command))
    monkeypatch.setattr(joining, "_LOOK_SECONDS", 0.2)
    return made


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    use_home(monkeypatch, tmp_path / "home")
    made = new_profile(tmp_path / "home")
    made.policy_file.write_text('require = "none"\n')
    made.policy_file.chmod(0o600)
    SETTINGS.write(made.server_file)
    return made


def eventually(holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
    latest = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < latest
        time.sleep(0.05)


class Joined:
    """`take_part` in a thread."""

    def __init__(self, profile: Profile, vault: Vault) -> None:
        self.stop = threading.Event()
        self.over: list[str | None] = []
        self.waits: list[str | None] = []
        self.thread = threading.Thread(
            target=lambda: self.over.append(take_part(profile, vault, SETTINGS, self.stop, waits=self.waits.append))
        )
        self.thread.start()

    def ends(self) -> str | None:
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.over[0]


@contextmanager
def joined(profile: Profile) -> Iterator[tuple[Joined, Vault]]:
    with opened(profile) as vault:
        running = Joined(profile, vault)
        try:
            yield running, vault
        finally:
            running.stop.set()
            running.thread.join(20)


def test_a_node_listens_when_the_socket_on_its_port_is_its_own(stand_in: StandIn, tmp_path: Path) -> None:
    node = SuperNode(str(stand_in.command), SETTINGS, tmp_path)
    try:
        eventually(node.is_listening)
        assert stand_in.started() == [f"{node.address.partition(':')[2]} {node.secret.hex()}"]
        assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    finally:
        node.end()
    assert not node.is_listening()
    assert node.status is not None


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are shown by /proc")
def test_whoever_else_listens_on_its_port_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as rogue:
        rogue.bind(("127.0.0.1", 0))
        rogue.listen()
        monkeypatch.setattr(supernode, "_free_port", lambda: rogue.getsockname()[1])
        idle = tmp_path / "idle"
        idle.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
        idle.chmod(0o700)
        node = SuperNode(str(idle), SETTINGS, tmp_path)
        try:
            time.sleep(0.5)
            assert node.status is None
            assert not node.is_listening()
        finally:
            node.end()


def test_every_start_has_another_port_and_another_secret(stand_in: StandIn, profile: Profile) -> None:
    with joined(profile) as (running, vault):
        eventually(lambda: len(stand_in.asked()) > 0)
        vault.taking_part.pause()
        eventually(lambda: running.waits[-1] is not None)
        vault.taking_part.decide("on")
        eventually(lambda: len(stand_in.started()) == 2)
    ports, secrets = zip(*(line.split() for line in stand_in.started()), strict=True)
    assert len(set(ports)) == len(set(secrets)) == 2


def test_what_a_node_does_not_know_any_more_ends_nothing(stand_in: StandIn, profile: Profile) -> None:
    interrupted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: interrupted.append(number))
    try:
        with joined(profile) as (running, _):
            eventually(lambda: len(stand_in.asked()) >= 3)
            assert running.thread.is_alive()
            begun = time.monotonic()
            running.stop.set()
            assert running.ends() is None
            assert time.monotonic() - begun < 5
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted == []


def test_a_task_of_a_node_that_has_ended_is_dropped_quietly() -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    interrupted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: interrupted.append(number))
    try:
        with listening(Refuses) as port:
            LocalExecutor(f"127.0.0.1:{port}", secret=bytes(32), app=ClientApp())._answer("a token")
        LocalExecutor(f"127.0.0.1:{port}", secret=bytes(32), app=ClientApp())._answer("a token")
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupted == []


def test_no_proxy_of_the_environments_hears_what_the_node_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.path)
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with listening(Hears) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        LocalExecutor("127.0.0.1:9", secret=bytes(32), app=ClientApp())._answer("a token")
    assert heard == []


def test_a_paused_device_has_no_connection_and_can_be_stopped(stand_in: StandIn, profile: Profile) -> None:
    with joined(profile) as (running, vault):
        eventually(lambda: len(stand_in.asked()) > 0)
        vault.taking_part.pause()
        eventually(lambda: running.waits[-1] is not None)
        time.sleep(1.0)
        asked = len(stand_in.asked())
        time.sleep(1.5)
        assert len(stand_in.asked()) == asked
        begun = time.monotonic()
        running.stop.set()
        assert running.ends() is None
        assert time.monotonic() - begun < 3


def test_who_leaves_is_disconnected_and_ended_also_when_it_joins_elsewhere(stand_in: StandIn, profile: Profile) -> None:
    with joined(profile) as (running, vault):
        eventually(lambda: len(stand_in.asked()) > 0)
        leave(profile, vault)
        assert "left" in str(running.ends())
        with pytest.raises(HasLeftError):
            resume(vault)
        assert vault.taking_part.state() == "left"
    SETTINGS.write(profile.server_file)
    with opened(profile) as vault:
        vault.taking_part.decide("on")
    with joined(profile) as (running, vault):
        eventually(lambda: len(stand_in.started()) == 2)
        device = VaultDevice(profile, vault, server=SETTINGS)
        assert device.obstacle() is None
        leave(profile, vault)
        ServerSettings(host="127.0.0.1", port=10).write(profile.server_file)
        vault.taking_part.decide("on")
        assert "another server" in str(running.ends())
        assert "another server" in str(device.obstacle())


class Given:
    """What a connection is asked of: a node, an executor and a device that say what they are told to."""

    def __init__(self) -> None:
        self.is_busy = self.is_open = False
        self.last: float | None = None
        self.status: int | None = None
        self.reason: str | None = None
        self.begins: list[bool] = []

    def since_answer(self) -> float | None:
        return self.last

    def is_in_session(self, *, within: float) -> bool:
        assert within <= 3600
        return self.is_open

    def obstacle(self, *, begins: bool) -> str | None:
        self.begins.append(begins)
        return self.reason


def test_what_was_begun_is_finished_and_nothing_is_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "_LOOK_SECONDS", 0.05)
    given = Given()
    connection = joining._Connection(
        node=given,  # type: ignore[arg-type]
        executor=given,  # type: ignore[arg-type]
        device=given,  # type: ignore[arg-type]
        is_over=lambda: False,
        waits=lambda _reason: None,
    )
    ended: list[bool] = []
    stop, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: ended.append(connection._lasts(stop, done)))
    thread.start()
    given.is_busy = True
    eventually(lambda: False in given.begins)  # its own training is no obstacle to it
    given.reason = "paused"
    time.sleep(0.3)
    given.is_open, given.is_busy = True, False
    time.sleep(0.3)
    assert ended == []
    given.is_open, given.last = False, 1.0  # the answer may not have been sent yet
    time.sleep(0.3)
    assert ended == []
    given.last = 61.0
    thread.join(5)
    assert ended == [True]

    given.is_open = True
    assert connection._finishes(3599.0)
    assert not connection._finishes(3601.0)


def test_the_passphrase_is_not_given_to_the_node(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TACIT_PASSPHRASE", "of a test")
    node = SuperNode(str(stand_in.command), SETTINGS, tmp_path)
    try:
        eventually(node.is_listening)
        if (environment := Path(f"/proc/{node._process.pid}/environ")).exists():
            assert b"TACIT_PASSPHRASE" not in environment.read_bytes()
    finally:
        node.end()
