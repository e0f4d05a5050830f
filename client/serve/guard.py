"""What stands before every request: who may ask, from where, how much, for how long; and what every answer carries.

Any page that a browser shows can send requests to this machine, and a name that resolves to 127.0.0.1 can make the
browser believe that they are of one origin (DNS rebinding). So:

- The server listens on loopback alone, and answers only to its own names (Host).
- A request of another origin is refused, by its Origin and by Fetch Metadata; so are preflights, and no answer carries
  a CORS header. One thing may come from elsewhere: going to the page in a browser's own tab, since a link is no harm
  and the page holds nothing before it has the token.
- `/v1` and `/api` need the token. The page's files need none, and neither does `POST /enter` (`client.serve.entering`),
  which swaps a code for it.
- A body is read to its end before anything else is done with it, within a limit of size and of time.

A failure is an answer without reasons, and neither a request's nor a reply's text is logged.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from client.serve.api_errors import error_response

_LOG = logging.getLogger(__name__)
_WITH_TOKEN = ("/v1", "/api")
ENTER_PATH = "/enter"
"""What is posted here needs no token."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Attributes:
    body_bytes: of a request's body.
    body_seconds: for all of it to come.
    """

    body_bytes: int = 2**20
    body_seconds: float = 15.0


class Guard:
    """ASGI middleware for every path."""

    def __init__(
        self, app: ASGIApp, *, token: str, address: tuple[str, int], limits: RequestLimits | None = None
    ) -> None:
        """Args:
        token: what `/v1` and `/api` need.
        address: where the server listens: an address of loopback and its port.

        Raises:
            ValueError: an empty token.
        """
        if not token:
            raise ValueError("an empty token protects nothing")
        self._app = app
        self._token = token.encode("utf-8")
        self._hosts = own_names(address[1])
        self._limits = limits or RequestLimits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # nothing here speaks WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = _Answer(send)
        refused = self._refusal(scope)
        body: bytes | _Refusal | None = None
        if refused is None:
            body = await self._body(Headers(scope=scope), receive)
            if body is None:
                return  # who asked has left
            refused = body if isinstance(body, _Refusal) else None
        if refused is not None:
            headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
            response = error_response(refused.status, refused.says, code=refused.code, headers=headers)
            # Its body was not read, so nothing can follow on this connection.
            response.headers["Connection"] = "close"
            await response(scope, receive, answer.send)
            return
        assert isinstance(body, bytes)  # noqa: S101 - for mypy
        try:
            await self._app(scope, _Replayed(body, receive), answer.send)
        except Exception as error:
            # Its message and its traceback may hold what was said. What has begun ends here, unfinished.
            _LOG.error("a request failed (%s)", type(error).__name__)
            if not answer.has_begun:
                response = error_response(500, "something went wrong here", code="internal_error", kind="server_error")
                await response(scope, receive, answer.send)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _Refusal(403, "this server answers to its own name on this machine alone", "foreign_host")
        if scope["method"] == "OPTIONS":
            return _Refusal(403, "other origins are not allowed here", "foreign_origin")
        needs_token = _needs_token(scope)
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins) or not _is_of_here(
            headers, may_arrive=_is_file(scope)
        ):
            return _Refusal(403, "other origins are not allowed here", "foreign_origin")
        if needs_token and not self._shows_token(headers.getlist("authorization")):
            return _Refusal(401, "the token is missing or wrong: see `tacit serve --help`", "invalid_api_key")
        return None

    def _shows_token(self, shown: list[str]) -> bool:
        scheme, _, token = (shown[0] if len(shown) == 1 else "").partition(" ")
        is_it = hmac.compare_digest(token.strip().encode("utf-8"), self._token)
        return scheme.lower() == "bearer" and is_it

    async def _body(self, headers: Headers, receive: Receive) -> bytes | _Refusal | None:
        """All of it; why not; or None where the other side has left."""
        too_large = _Refusal(413, f"a request has at most {self._limits.body_bytes} bytes of body", "request_too_large")
        said = headers.get("content-length", "0")
        if not said.isdecimal() or int(said) > self._limits.body_bytes:
            return too_large
        parts = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts += message.get("body", b"")
                    if len(parts) > self._limits.body_bytes:
                        return too_large
                    if not message.get("more_body", False):
                        return bytes(parts)
        except TimeoutError:
            return _Refusal(408, "the request did not come to its end in time", "request_timeout")


@dataclass(frozen=True)
class _Refusal:
    status: int
    says: str
    code: str


class _Answer:
    """Sends, with the headers that everything carries."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            for name in [name for name in headers if name.lower().startswith("access-control-")]:
                del headers[name]
        await self._send(message)


class _Replayed:
    """A receive that gives a body which was read already, and then what comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def own_names(port: int) -> frozenset[str]:
    """What a Host header may say to a server on loopback."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset(f"{name}:{port}" for name in names) | (frozenset(names) if port == 80 else frozenset())


def _needs_token(scope: Scope) -> bool:
    return not _is_file(scope) and (scope["method"], scope["path"]) != ("POST", ENTER_PATH)


def _is_file(scope: Scope) -> bool:
    path = scope["path"]
    return scope["method"] in ("GET", "HEAD") and not any(
        path == prefix or path.startswith(f"{prefix}/") for prefix in _WITH_TOKEN
    )


def _is_of_here(headers: Headers, *, may_arrive: bool) -> bool:
    """By Fetch Metadata, which browsers send and pages cannot set. "same-site" is another port of this machine."""
    site = headers.get("sec-fetch-site", "none")
    if site in ("same-origin", "none"):
        return True
    arrives = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return may_arrive and arrives
