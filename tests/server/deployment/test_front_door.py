"""What passes the front door: Fleet API's POSTs, bounded, and nothing else in any spelling."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from flwr.superlink.routers.fleet.router import router
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.deployment.front_door import _PATH, build_front_door
from tests.server.deployment.listening import listening

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


def test_every_call_of_flowers_fleet_api_passes() -> None:
    paths = [route.path for route in router.routes]  # type: ignore[attr-defined]

    assert len(paths) > 8
    assert all(_PATH.fullmatch(path.encode()) for path in paths)
