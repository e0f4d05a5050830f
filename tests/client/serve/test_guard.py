"""Who may ask, from where, how much and for how long; and what every answer carries."""

from __future__ import annotations

import http.client
import json
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from client.profile import ProfileError
from client.serve.app import AddressError, _own_address, listen
from client.serve.guard import Guard, RequestLimits
from client.serve.token import serve_token
from tests.client.assistant.assistants import Home
from tests.client.serve.served import TOKEN, Served, serving

_BODY_BYTES = 4096


async def _page(request: Request) -> Response:
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public"}
    return PlainTextResponse(f"page {len(await request.body())}", headers=headers)


async def _fail(_request: Request) -> Response:
    raise RuntimeError("zebra-reason")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = Home.make(tmp_path_factory.mktemp("guard"))
    routes = [
        Route("/", _page),
        Route("/app.js", _page),
        Route("/api/private", _page, methods=["GET", "POST"]),
        Route("/api/fail", _fail),
        Route("/elsewhere", _page, methods=["POST"]),
    ]
    limits = RequestLimits(body_bytes=_BODY_BYTES, body_seconds=0.5)
    with serving(home, limits=limits, extra_routes=routes) as running:
        yield running
    home.vault.close()


def _error(body: bytes) -> str:
    error = json.loads(body)["error"]
    assert isinstance(error["message"], str)
    return str(error["code"])


def test_files_need_no_token_and_all_else_does(served: Served) -> None:
    for path in ("/", "/app.js"):
        assert served.ask("GET", path, token=None)[0] == 200
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/v1"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/api/private"),
        ("GET", "/api"),
        ("POST", "/api/private"),
        ("POST", "/elsewhere"),
        ("DELETE", "/"),
    ):
        for token in (None, "", "wrong", TOKEN[:-1], f"{TOKEN}t", TOKEN.upper(), "é"):
            try:
                status, headers, body = served.ask(method, path, token=token)
            except UnicodeEncodeError:
                continue
            assert (status, _error(body)) == (401, "invalid_api_key"), (method, path, token)
            assert headers["www-authenticate"] == "Bearer"
    assert served.ask("GET", "/api/private")[0] == 200
    assert served.ask("POST", "/elsewhere")[0] == 200
    assert served.ask("GET", "/v1/models", token=None, headers={"Authorization": f"Basic {TOKEN}"})[0] == 401
    assert served.ask("GET", f"/api/private?token={TOKEN}", token=None)[0] == 401


def test_bytes_that_are_no_text_are_a_wrong_token(served: Served) -> None:
    assert _raw(served, _request("/v1/models", f"127.0.0.1:{served.port}", b"Authorization: Bearer \xff\xfe"))[0] == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "localhost", "127.0.0.1:1", "evil.example:{port}", "localhost.evil.example:{port}",
     "127.0.0.2:{port}", "localhost.:{port}", "[::]:{port}", "0.0.0.0:{port}", "", "127.0.0.1:{port}, evil.example",
     "user@127.0.0.1:{port}"],
)  # fmt: skip
def test_another_name_is_not_answered(served: Served, host: str) -> None:
    """A page whose name resolves to this machine (DNS rebinding) sends its own name."""
    for path in ("/", "/v1/models"):
        status, _, body = served.ask("GET", path, headers={"Host": host.format(port=served.port)})
        assert (status, _error(body)) == (403, "foreign_host")


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "[::1]:{port}", "LOCALHOST:{port}"])
def test_its_own_names_are_answered(served: Served, host: str) -> None:
    named = host.format(port=served.port)
    assert served.ask("GET", "/v1/models", headers={"Host": named})[0] == 200
    assert served.ask("GET", "/v1/models", headers={"Host": named, "Origin": f"http://{named.lower()}"})[0] == 200


def test_a_request_names_one_host(served: Served) -> None:
    own = f"127.0.0.1:{served.port}"
    token = f"Authorization: Bearer {TOKEN}".encode()
    assert _raw(served, _request("/v1/models", own, token))[0] == 200
    assert _raw(served, _request("/v1/models", own, token, b"Host: evil.example"))[0] in (400, 403)
    assert _raw(served, b"GET /v1/models HTTP/1.0\r\n" + token + b"\r\n\r\n")[0] == 403


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "https://127.0.0.1:{port}",
     "http://localhost:{port}", "http://127.0.0.1:{port}.evil.example", "file://", ""],
)  # fmt: skip
def test_another_origin_is_refused_with_and_without_the_token(served: Served, origin: str) -> None:
    named = origin.format(port=served.port)
    for method, path, token in (("GET", "/v1/models", TOKEN), ("POST", "/api/private", TOKEN), ("GET", "/", None)):
        status, _, body = served.ask(method, path, headers={"Origin": named}, token=token)
        assert (status, _error(body)) == (403, "foreign_origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_comes_from_another_site_is_refused(served: Served, site: str) -> None:
    for path in ("/v1/models", "/api/private", "/app.js"):
        assert served.ask("GET", path, headers={"Sec-Fetch-Site": site})[0] == 403
    for mode, dest in (("no-cors", "script"), ("navigate", "iframe"), ("navigate", "object"), ("cors", "document")):
        sent = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        assert served.ask("GET", "/", headers=sent, token=None)[0] == 403
    goes = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert served.ask("GET", "/", headers=goes, token=None)[0] == 200
    assert served.ask("GET", "/api/private", headers=goes)[0] == 403
    assert served.ask("POST", "/elsewhere", headers=goes)[0] == 403
    for own in ("same-origin", "none"):
        assert served.ask("GET", "/api/private", headers={"Sec-Fetch-Site": own})[0] == 200


def test_preflights_are_refused_and_no_answer_has_a_cors_header(served: Served) -> None:
    own = f"http://127.0.0.1:{served.port}"
    for path in ("/", "/v1/chat/completions", "/api/private"):
        asked = {"Origin": own, "Access-Control-Request-Method": "POST"}
        assert served.ask("OPTIONS", path, headers=asked)[0] == 403
    for answer in (served.ask("GET", "/"), served.ask("GET", "/api/private", headers={"Origin": own})):
        assert answer[0] == 200
        assert not any(name.startswith("access-control-") for name in answer[1])


def test_every_answer_carries_what_protects_it(served: Served) -> None:
    for method, path, token, expected in (
        ("GET", "/", None, 200),
        ("GET", "/v1/models", TOKEN, 200),
        ("GET", "/v1/models", None, 401),
        ("GET", "/nothing", None, 404),
        ("GET", "/api/fail", TOKEN, 500),
        ("OPTIONS", "/", None, 403),
    ):
        status, headers, _ = served.ask(method, path, token=token)
        assert status == expected
        policy = headers["content-security-policy"]
        for directive in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
            assert directive in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


def test_a_failure_is_an_answer_without_reasons(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    status, _, body = served.ask("GET", "/api/fail")
    assert (status, _error(body)) == (500, "internal_error")
    assert b"zebra" not in body
    assert "zebra" not in caplog.text
    assert "a request failed (RuntimeError)" in caplog.text


def test_a_body_is_read_within_its_limit(served: Served) -> None:
    assert served.ask("POST", "/api/private", b"a" * _BODY_BYTES)[2] == f"page {_BODY_BYTES}".encode()
    for size in (_BODY_BYTES + 1, 10 * _BODY_BYTES):
        status, headers, body = served.ask("POST", "/api/private", b"a" * size)
        assert (status, _error(body)) == (413, "request_too_large")
        assert headers["connection"] == "close"
    for said in ("-1", "1e3", "9" * 30):
        status, _ = _raw(
            served, _request("/api/private", f"127.0.0.1:{served.port}", _token(), f"Content-Length: {said}".encode())
        )
        assert status in (400, 413)


def test_a_body_in_chunks_has_the_same_limit(served: Served) -> None:
    head = _request("/api/private", f"127.0.0.1:{served.port}", _token(), b"Transfer-Encoding: chunked", method="POST")
    chunk = b"400\r\n" + b"a" * 1024 + b"\r\n"
    assert _raw(served, head + 4 * chunk + b"0\r\n\r\n") == (200, b"page 4096")
    status, body = _raw(served, head + 5 * chunk)
    assert (status, _error(body)) == (413, "request_too_large")


def test_a_body_that_does_not_end_is_given_up(served: Served) -> None:
    began = time.monotonic()
    head = _request("/api/private", f"127.0.0.1:{served.port}", _token(), b"Content-Length: 100", method="POST")
    status, body = _raw(served, head + b"a")
    assert (status, _error(body)) == (408, "request_timeout")
    assert 0.4 < time.monotonic() - began < 5


def test_a_wrong_token_is_refused_before_a_body_comes(served: Served) -> None:
    began = time.monotonic()
    head = _request("/api/private", f"127.0.0.1:{served.port}", b"Content-Length: 100", method="POST")
    assert _raw(served, head)[0] == 401
    assert time.monotonic() - began < 0.4


def test_a_websocket_is_refused(served: Served) -> None:
    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: a")
    status, _ = _raw(served, _request("/api/private", f"127.0.0.1:{served.port}", *upgrade))
    assert status == 401


def test_only_loopback_is_listened_on() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.2", "8.8.8.8", "localhost", "evil.example"):  # noqa: S104
        with pytest.raises(AddressError, match=r"listens on 127\.0\.0\.1"):
            listen(0, host)
    with listen(0) as first:
        assert first.getsockname()[0] == "127.0.0.1"
        with pytest.raises(AddressError, match="--port names another"):
            listen(first.getsockname()[1])


def test_the_token_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "serve.token"
    token = serve_token(path)
    assert len(token) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert serve_token(path) == token
    assert serve_token(tmp_path / "another") != token
    for mode in (0o644, 0o640, 0o620):
        path.chmod(mode)
        with pytest.raises(ProfileError, match="not yours alone"):
            serve_token(path)
    path.chmod(0o600)
    for content in ("", "short", "a" * 43 + "\nb", "ä" * 43):
        path.write_text(content)
        with pytest.raises(ProfileError, match="holds no token"):
            serve_token(path)


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="empty token"):
        Guard(_never, token="", address=("127.0.0.1", 1))


async def _never(*_: object) -> None:
    raise AssertionError


def _token() -> bytes:
    return f"Authorization: Bearer {TOKEN}".encode()


def _request(path: str, host: str, *headers: bytes, method: str = "GET") -> bytes:
    return b"\r\n".join([f"{method} {path} HTTP/1.1".encode(), f"Host: {host}".encode(), *headers, b"", b""])


def _raw(served: Served, content: bytes) -> tuple[int, bytes]:
    """(status, body) of bytes sent as they are."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(content)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        with answer:
            return answer.status, answer.read()


def test_a_port_is_asked_for_alone_where_reusing_would_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", -5, raising=False)  # as Windows has it
    assert _own_address() == -5
    monkeypatch.delattr(socket, "SO_EXCLUSIVEADDRUSE")
    assert _own_address() == socket.SO_REUSEADDR
