"""What passes the front door: Fleet API's POSTs, bounded, and nothing else in any spelling."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from flwr.superlink.routers.fleet.router import router
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.deployment.directory import ServerDirectory, ServerSettings
from server.deployment.door_connections import ConnectionLimits, _network, limited_connections
from server.deployment.front_door import _PATH, build_front_door
from server.deployment.processes import front_door_config
from server.deployment.running import Running, free_ports
from tests.server.deployment.listening import listening, listening_as

MOST = 8 * 2**20


@dataclass
class Upstream:
    """Stands for SuperLink: answers everything, and remembers what it was asked."""

    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        self.asked.append((request.method, request.url.path, body, dict(request.headers)))
        answer = Response(b"answer:" + body[:8], status_code=412, media_type="application/x-protobuf")
        answer.headers["set-cookie"] = "a=b"
        await answer(scope, receive, send)


@dataclass(frozen=True)
class House:
    upstream: Upstream
    inside: int
    door: int

    def raw(self, text: str) -> bytes:
        """What the front door answers to bytes as they are."""
        with socket.create_connection(("127.0.0.1", self.door), timeout=10) as line:
            line.sendall(text.encode("latin-1"))
            line.settimeout(10)
            heard = b""
            while b"\r\n\r\n" not in heard and (part := line.recv(65536)):
                heard += part
        return heard


@pytest.fixture
def house() -> Iterator[House]:
    upstream = Upstream()
    with listening(upstream) as inside:
        door = build_front_door(f"127.0.0.1:{inside}", authority=None, largest_request=MOST)
        with listening(door) as port:
            yield House(upstream=upstream, inside=inside, door=port)


def test_a_request_of_the_fleet_passes_with_what_flower_reads_and_no_more(house: House) -> None:
    body = bytes(range(256)) * 12_000
    answer = httpx.post(
        f"http://127.0.0.1:{house.door}/v1/fleet/push-object",
        content=body,
        headers={
            "content-type": "application/x-protobuf", "flwr-signature": "s", "flwr-public-key": "k", "cookie": "c",
            "authorization": "a", "x-forwarded-for": "1.2.3.4", "content-encoding": "identity",
        },
    )  # fmt: skip

    ((method, path, heard, headers),) = house.upstream.asked
    assert (method, path, hashlib.sha256(heard).digest()) == (
        "POST",
        "/v1/fleet/push-object",
        hashlib.sha256(body).digest(),
    )
    assert (headers["flwr-signature"], headers["flwr-public-key"]) == ("s", "k")
    assert headers["content-length"] == str(len(body))
    assert not {"cookie", "authorization", "x-forwarded-for", "content-encoding"} & set(headers)
    assert (answer.status_code, answer.content) == (412, b"answer:" + body[:8])
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "line",
    [
        "POST /v1/control/start-run", "POST /v1/control/list-nodes", "POST /v1/control/register-node",
        "POST /v1/runtime/acquire-task", "POST /v1/runtime/push-messages", "GET /health", "GET /docs",
        "GET /openapi.json", "GET /", "POST /", "GET /v1/fleet/pull-messages", "HEAD /v1/fleet/pull-messages",
        "OPTIONS /v1/fleet/pull-messages", "PUT /v1/fleet/pull-messages", "POST /v1/fleet/", "POST /v1/fleet",
        "POST /v1/fleet/pull-messages/", "POST /v1/fleet/a/b", "POST /v1/fleet/pull-messages?a=b",
        "POST /v1/fleet/../control/start-run", "POST /v1/fleet/%2e%2e/control/start-run",
        "POST /v1/fleet/..%2fcontrol%2fstart-run", "POST /v1/fleet/%2e%2e", "POST /v1/fleet/..", "POST /v1/fleet/.",
        "POST /v1/fleet/a%2f..%2f..%2fcontrol%2fstart-run", "POST /v1/fleet/%70ull-messages",
        "POST //v1/control/start-run",
        "POST /v1/fleet/pull-messages;/../../control/start-run", "POST /V1/FLEET/pull-messages",
        "POST /v1/fleet/pull-messages%00", "POST /v1/fleet/\\..\\control\\start-run",
        "POST http://127.0.0.1/v1/control/start-run", "POST /v1//control/start-run",
    ],
)  # fmt: skip
def test_everything_else_is_not_there_and_superlink_hears_nothing_of_it(house: House, line: str) -> None:
    said = house.raw(f"{line} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    assert said.split(b" ")[1] in (b"404", b"400")
    assert b"answer" not in said
    assert house.upstream.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: -5\r\n",
    ],
)
def test_a_request_that_two_servers_could_read_differently_smuggles_nothing(house: House, headers: str) -> None:
    inner = "POST /v1/control/start-run HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    house.raw(f"POST /v1/fleet/pull-messages HTTP/1.1\r\nHost: a\r\n{headers}\r\n0\r\n\r\n{inner}")

    assert [path for _, path, _, _ in house.upstream.asked if "control" in path] == []


def test_bodies_are_bounded_whether_their_length_is_declared_or_not(house: House) -> None:
    address = f"http://127.0.0.1:{house.door}/v1/fleet/push-object"
    declared = httpx.post(address, content=b"x" * (MOST + 1))
    streamed = httpx.post(address, content=(b"x" * 2**20 for _ in range(9)))
    just = httpx.post(address, content=(b"x" * 2**20 for _ in range(8)))

    assert (declared.status_code, streamed.status_code, just.status_code) == (413, 413, 412)
    assert [len(body) for _, _, body, _ in house.upstream.asked] == [MOST]


def test_where_superlink_is_away_devices_are_told_to_come_again() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        door = build_front_door(f"127.0.0.1:{nobody.getsockname()[1]}", authority=None, largest_request=MOST)
        with listening(door) as port:
            assert httpx.post(f"http://127.0.0.1:{port}/v1/fleet/pull-messages").status_code == 503


def _began(port: int) -> socket.socket:
    """A connection with one byte of a body of 100."""
    line = socket.create_connection(("127.0.0.1", port), timeout=5)
    line.sendall(b"POST /v1/fleet/push-object HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na")
    return line


def _heard(line: socket.socket) -> bytes:
    """Everything until the other side ends."""
    heard = b""
    try:
        while part := line.recv(65536):
            heard += part
    except ConnectionResetError:
        pass
    return heard


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    upstream = Upstream()
    with listening(upstream) as inside:
        door = build_front_door(f"127.0.0.1:{inside}", authority=None, largest_request=MOST, body_seconds=0.3)
        with listening(door) as port, _began(port) as line:
            time.sleep(0.1)
            line.sendall(b"a")  # a part more gives no more time
            heard = _heard(line)
    assert heard.startswith(b"HTTP/1.1 408")
    assert upstream.asked == []


def test_slow_bodies_hold_no_connection_to_superlink() -> None:
    upstream = Upstream()
    with listening(upstream) as inside:
        door = build_front_door(
            f"127.0.0.1:{inside}", authority=None, largest_request=MOST, body_seconds=8, inside=2, free_seconds=2
        )
        with listening(door) as port, ExitStack() as lines:
            for _ in range(6):
                lines.enter_context(_began(port))
            time.sleep(0.3)
            begun = time.monotonic()
            answer = httpx.post(f"http://127.0.0.1:{port}/v1/fleet/pull-messages", content=b"hi")
            assert (answer.status_code, answer.content) == (412, b"answer:hi")
            assert time.monotonic() - begun < 1.5


def test_where_no_connection_to_superlink_is_free_devices_are_told_to_come_again() -> None:
    entered, leave = threading.Event(), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            entered.set()
            await asyncio.to_thread(leave.wait, 10)
            await Response(status_code=200)(scope, receive, send)

    with listening(slow) as inside, ThreadPoolExecutor(1) as other:
        door = build_front_door(f"127.0.0.1:{inside}", authority=None, largest_request=MOST, inside=1, free_seconds=0.2)
        with listening(door) as port:
            address = f"http://127.0.0.1:{port}/v1/fleet/pull-messages"
            first = other.submit(httpx.post, address, content=b"a", timeout=10)
            assert entered.wait(5)
            try:
                assert httpx.post(address, content=b"b", timeout=5).status_code == 503
            finally:
                leave.set()
            assert first.result(10).status_code == 200


def test_a_connection_that_asks_nothing_is_closed() -> None:
    upstream = Upstream()
    ask = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    with listening(upstream, http=limited_connections(ConnectionLimits(head_seconds=0.4))) as port:
        for first, then in ((b"", b""), (b"POST / HT", b""), (b"", ask), (ask, b"\r\n"), (ask, b"POST / HT")):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
                line.sendall(first)
                time.sleep(0.2)
                line.sendall(then)
                heard = b""
                if ask in (first, then):  # in time: answered, and open
                    heard = line.recv(65536)
                    assert heard.startswith(b"HTTP/1.1 412")
                if then == ask:
                    time.sleep(0.5)
                    line.sendall(ask)
                    assert line.recv(65536).startswith(b"HTTP/1.1 412")
                else:
                    assert _heard(line) == b""
    assert [path for _, path, _, _ in upstream.asked] == ["/"] * 4


@pytest.mark.parametrize(
    "limits", [ConnectionLimits(per_peer=2), ConnectionLimits(in_all=2, per_peer=9)], ids=["of a peer", "in all"]
)
def test_connections_beyond_a_limit_are_closed_until_others_end(limits: ConnectionLimits) -> None:
    def answered(port: int) -> bool:
        try:
            return httpx.post(f"http://127.0.0.1:{port}/").status_code == 412
        except httpx.TransportError:
            return False

    with listening(Upstream(), http=limited_connections(limits)) as port:
        assert answered(port)
        with _began(port):
            assert answered(port)
            with _began(port):
                time.sleep(0.1)
                assert not answered(port)
        deadline = time.monotonic() + 5
        while not answered(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert answered(port)


def test_the_door_that_a_server_opens_speaks_tls_and_closes_what_asks_nothing(tmp_path: Path) -> None:
    server = ServerDirectory.create(tmp_path / "server", ServerSettings(host="localhost"))
    nobody = Running(pid=1, superlink=free_ports(1)[0], health=1)
    trusted = ssl.create_default_context(cafile=str(server.authority))
    with listening_as(front_door_config(server, nobody, ConnectionLimits(head_seconds=0.4))) as port:
        assert httpx.post(f"https://localhost:{port}/v1/fleet/pull-messages", verify=trusted).status_code == 503
        assert httpx.post(f"https://localhost:{port}/v1/control/start-run", verify=trusted).status_code == 404
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as line,
            trusted.wrap_socket(line, server_hostname="localhost", suppress_ragged_eofs=True) as idle,
        ):
            assert _heard(idle) == b""


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (("10.0.0.1", 5), "10.0.0.1"),
        (("::ffff:10.0.0.1", 5, 0, 0), "10.0.0.1"),
        (("2001:db8::1:2:3:4", 5, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (None, ""),
    ],
)
def test_a_peer_is_an_address_or_the_network_of_a_site(peer: tuple[object, ...] | None, network: str) -> None:
    assert _network(peer) == network


def test_every_call_of_flowers_fleet_api_passes() -> None:
    paths = [route.path for route in router.routes]  # type: ignore[attr-defined]

    assert len(paths) > 8
    assert all(_PATH.fullmatch(path.encode()) for path in paths)
