"""The front door: what devices reach. TLS, and of all that SuperLink serves the Fleet API alone.

Everything but a POST to /v1/fleet/NAME is answered 404 without a word to SuperLink: its Control API, on the same port,
asks for no account. A body is read whole, bounded in size and time, before a connection to SuperLink is taken: who
sends slowly holds up nobody else. What is large waits in a temporary file, so that the disk has to hold as many bodies
as there may be connections, at worst. Who sends what is not logged.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO

import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

_LOG = logging.getLogger(__name__)
_PATH = re.compile(rb"/v1/fleet/[a-z-]{1,64}")
# What Flower's Fleet API reads or writes; all else stays where it is.
_REQUEST_HEADERS = ("content-type", "accept")
_REQUEST_PREFIX = "flwr-"
_RESPONSE_HEADERS = ("content-type", "content-length", "content-encoding")
_ANSWER_SECONDS = 120.0
_IN_MEMORY = 2**18  # bytes of a body
_PART = 2**16
# The rest of a body is not waited for.
_LAST = {"connection": "close"}


class _TooLargeError(Exception):
    """A body is larger than allowed."""


def build_front_door(
    superlink: str,
    *,
    authority: ssl.SSLContext | None,
    largest_request: int,
    body_seconds: float = 120.0,
    inside: int = 256,
    free_seconds: float = 5.0,
) -> ASGIApp:
    """An application that passes the Fleet API on.

    Args:
        superlink: HOST:PORT on this machine.
        authority: whom SuperLink's certificate is checked against; None speaks plainly, for tests.
        largest_request: bytes of a request's body.
        body_seconds: within which a whole body is to be there; 408 where it is not.
        inside: connections to SuperLink at once.
        free_seconds: how long a request waits for one of them to be free; 503 where none is.
    """
    client = httpx.AsyncClient(
        base_url=f"{'http' if authority is None else 'https'}://{superlink}",
        verify=False if authority is None else authority,  # plain HTTP: nothing to verify
        timeout=httpx.Timeout(_ANSWER_SECONDS, connect=5.0, pool=free_seconds),
        limits=httpx.Limits(max_connections=inside, max_keepalive_connections=32),
        follow_redirects=False,
        trust_env=False,
    )

    async def fleet(request: Request) -> Response:
        # The path as it was sent: nothing that is unescaped or normalised later can mean another.
        path = bytes(request.scope["raw_path"])
        if not _PATH.fullmatch(path) or request.scope["query_string"]:
            return Response(status_code=404)
        declared = request.headers.get("content-length")
        if declared is not None and not (declared.isascii() and declared.isdigit()):
            return Response(status_code=400)
        if declared is not None and int(declared) > largest_request:
            return Response(status_code=413)
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            try:
                async with asyncio.timeout(body_seconds):
                    size = await _read(request, body, most=largest_request)
            except _TooLargeError:
                return Response(status_code=413, headers=_LAST)
            except (ClientDisconnect, TimeoutError):
                return Response(status_code=408, headers=_LAST)
            except OSError as error:
                _LOG.warning("a body cannot be kept (%s)", error.strerror)
                return Response(status_code=503, headers=_LAST)
            passed = client.build_request(
                "POST",
                path.decode("ascii"),
                headers=_kept(request.headers) | {"content-length": str(size)},
                content=_parts(body),
            )
            try:
                answer = await client.send(passed, stream=True)
            except httpx.HTTPError as error:
                _LOG.warning("SuperLink does not answer (%s)", type(error).__name__)
                return Response(status_code=503)
        headers = {name: answer.headers[name] for name in _RESPONSE_HEADERS if name in answer.headers}
        return StreamingResponse(_passed_back(answer), status_code=answer.status_code, headers=headers)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()

    app = Starlette(
        routes=[Route("/v1/fleet/{name}", fleet, methods=["POST"])],
        lifespan=lifespan,
        exception_handlers={404: _hidden, 405: _hidden},
    )
    app.router.redirect_slashes = False
    return app


async def _hidden(_request: Request, _error: Exception) -> Response:
    return Response(status_code=404)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name.lower() in _REQUEST_HEADERS or name.lower().startswith(_REQUEST_PREFIX)
    }


async def _read(request: Request, body: IO[bytes], *, most: int) -> int:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _TooLargeError
        body.write(part)
    body.seek(0)
    return size


async def _parts(body: IO[bytes]) -> AsyncIterator[bytes]:
    while part := body.read(_PART):
        yield part


async def _passed_back(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()
