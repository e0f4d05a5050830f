"""The connection to a model server: time limits, repeats, and that nothing leads it elsewhere."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time
from http.server import BaseHTTPRequestHandler

import pytest

from client.endpoint_policy import EndpointPolicy
from client.model_connection import ServerLimits
from client.model_server import ModelServer, ModelServerError
from tests.client.scripted_server import (
    FAST,
    REPLY,
    Asked,
    ScriptedServer,
    Serve,
    answer,
    ask,
    client,
    completion,
    echo,
    raw,
    send,
    value,
)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process cannot send itself Ctrl-C alone")
def test_ctrl_c_ends_a_call_at_once(serve: Serve) -> None:
    server = serve(echo)

    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        server.released.wait(20)

    server.script = script
    # A shell's background job is born deaf to Ctrl-C, and so would the test be.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            client(server, limits=ServerLimits(reply_seconds=15.0)).generate([ask()], max_new_tokens=5)
    finally:
        signal.signal(signal.SIGINT, before)

    assert time.monotonic() - began < 3


def _hang(server: ScriptedServer, handler: BaseHTTPRequestHandler, before: bytes, drip: bytes) -> None:
    handler.wfile.write(before)
    while drip and not server.released.wait(0.05):
        handler.wfile.write(drip)
    server.released.wait(20)


@pytest.mark.parametrize(
    ("before", "drip"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    ],
    ids=["says nothing", "stops in the head", "drips a header", "drips 100s", "stops in the body", "drips the body"],
)
def test_a_server_that_hangs_or_drips_is_left_in_time(serve: Serve, before: bytes, drip: bytes) -> None:
    server = serve(echo)
    server.script = lambda handler, asked: _hang(server, handler, before, drip)
    began = time.monotonic()

    with pytest.raises(ModelServerError, match=r"no whole answer within 0\.4 seconds"):
        client(server, limits=ServerLimits(reply_seconds=0.4)).generate([ask()], max_new_tokens=5)

    assert 0.3 < time.monotonic() - began < 3
    assert len(server.completions) == 1, "a slow server is not asked again"


def test_a_server_that_is_slow_but_in_time_is_waited_for(serve: Serve) -> None:
    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(0.5)
        echo(handler, asked)

    assert client(serve(script)).generate([ask("a")], max_new_tokens=5)[0][0].startswith("a/")


@pytest.mark.parametrize(
    "failing", [b"", b"HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 429 x\r\nRetry-After: 0\r\n\r\n"]
)
def test_what_may_pass_is_tried_again_a_few_times(serve: Serve, failing: bytes) -> None:
    server = serve(echo)
    server.script = lambda handler, asked: (
        raw(failing)(handler, asked) if len(server.completions) < 3 else echo(handler, asked)
    )

    assert client(server).generate([ask("a")], max_new_tokens=5)[0][0].startswith("a/")
    assert len(server.completions) == 3


@pytest.mark.parametrize(("status", "times"), [(503, 3), (429, 3), (500, 1), (400, 1), (404, 1)])
def test_how_often_a_failing_server_is_asked(serve: Serve, status: int, times: int) -> None:
    server = serve(value({}, status=status))

    with pytest.raises(ModelServerError, match=f"HTTP {status}") as caught:
        client(server).generate([ask()], max_new_tokens=5)

    assert len(server.completions) == times
    assert caught.value.status == status


def test_the_wait_that_a_server_asks_for_is_kept_up_to_a_bound(serve: Serve) -> None:
    server = serve(echo)
    server.script = lambda handler, asked: (
        send(handler, b"", status=429, headers={"Retry-After": "1"})
        if len(server.completions) < 2
        else echo(handler, asked)
    )
    began = time.monotonic()
    client(server).generate([ask()], max_new_tokens=5)
    assert time.monotonic() - began >= 1

    server.script = answer(b"", status=429, headers={"Retry-After": "3600"})
    began = time.monotonic()
    with pytest.raises(ModelServerError, match="busy"):
        client(server).generate([ask()], max_new_tokens=5)
    assert time.monotonic() - began < 1


def test_a_server_that_is_not_there(serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        endpoint = EndpointPolicy().resolve(f"http://127.0.0.1:{port}/v1", "rewrite")

        with pytest.raises(ModelServerError, match=rf"nothing answers at 127\.0\.0\.1:{port}; start it .*ollama serve"):
            ModelServer(endpoint, model="tiny", limits=FAST).generate([ask()], max_new_tokens=5)


def test_connections_that_the_server_closed_meanwhile_are_opened_again(serve: Serve) -> None:
    def script(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        echo(handler, asked)
        handler.close_connection = True  # without saying so

    server = serve(script)
    model = client(server)

    for number in range(5):
        assert model.generate([ask(str(number))], max_new_tokens=5)[0][0].startswith(f"{number}/")


@pytest.mark.parametrize("how", ["closed", "let go of"])
def test_no_connection_outlives_the_client(serve: Serve, how: str) -> None:
    server = serve(echo)
    model = client(server)
    model.generate([ask(str(number)) for number in range(4)], max_new_tokens=5)
    assert server.closed < server.connections, "they are kept while the client is"

    if how == "closed":
        with model:
            pass
    else:
        del model
        gc.collect()

    until = time.monotonic() + 5
    while server.closed < server.connections and time.monotonic() < until:
        time.sleep(0.01)
    assert server.closed == server.connections


def test_redirects_are_not_followed(serve: Serve) -> None:
    elsewhere = serve(echo)
    for status in (301, 302, 303, 307, 308):
        there = {"Location": elsewhere.url + "/chat/completions"}
        server = serve(answer(b"", status=status, headers=there))
        with pytest.raises(ModelServerError, match=f"redirect .HTTP {status}"):
            client(server).generate([ask()], max_new_tokens=5)

    assert elsewhere.connections == 0


def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve(echo)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = serve(value(completion(REPLY)))

    assert client(server).generate([ask()], max_new_tokens=5) == [[REPLY]]
    assert proxy.connections == 0


def test_cookies_are_not_kept(serve: Serve) -> None:
    server = serve(answer(json.dumps(completion(REPLY)).encode(), headers={"Set-Cookie": "user=42; Path=/"}))

    client(server).generate([ask(), ask(), ask()], max_new_tokens=5, batch_size=1)

    assert not [asked for asked in server.asked if "cookie" in asked.headers]


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(value(completion(REPLY)))
    lookups: list[str] = []
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        if host != "model.example":
            assert host == "127.0.0.1", "only the checked address is looked up again, as a number"
            return real(host, *rest, **more)  # type: ignore[arg-type]
        lookups.append(host)
        address = "127.0.0.1" if len(lookups) == 1 else "192.0.2.1"  # rebinding
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    endpoint = EndpointPolicy().resolve(f"http://model.example:{server.port}/v1", "judge")
    model = ModelServer(endpoint, model="tiny", limits=FAST)

    for _ in range(2):
        assert model.generate([ask()], max_new_tokens=5) == [[REPLY]]
        model.close()  # the next call connects anew
    assert lookups == ["model.example"]
    assert server.completions[0].headers["host"] == f"model.example:{server.port}"


def test_the_ipv6_loopback_is_reached(serve: Serve) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        server = serve(value(completion(REPLY)), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    bracketed = EndpointPolicy().resolve(f"http://[::1]:{server.port}/v1", "judge")

    assert ModelServer(bracketed, model="tiny", limits=FAST).generate([ask()], max_new_tokens=5) == [[REPLY]]
    assert server.completions[0].headers["host"] == f"[::1]:{server.port}"


def test_the_second_address_is_tried_where_the_first_refuses(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(value(completion(REPLY)))
    real = socket.getaddrinfo

    def lookup(host: str, *rest: object, **more: object) -> object:
        if host != "localhost":
            return real(host, *rest, **more)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.99.0.1", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    endpoint = EndpointPolicy().resolve(f"http://localhost:{server.port}/v1", "judge")

    assert endpoint.addresses == ("127.99.0.1", "127.0.0.1")
    assert ModelServer(endpoint, model="tiny", limits=FAST).generate([ask()], max_new_tokens=5) == [[REPLY]]
