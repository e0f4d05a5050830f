"""The server of `tacit serve`: its routes behind the guard, and how it listens."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from client.assistant.assistant import Assistant
from client.serve import openai_api
from client.serve.api_errors import ApiError, error_response
from client.serve.guard import Guard, RequestLimits
from client.serve.running import RETRY_AFTER_SECONDS, BusyError, ReplyRunner
from client.vault.errors import VaultError
from client.vault.vault import Vault

_LOG = logging.getLogger(__name__)
_CONNECTIONS = 64
_CLOSING_SECONDS = 1  # whoever stops the server does not wait for a reply


class AddressError(OSError):
    """The server cannot listen where it was told to. Says what to do."""


def build_app(
    assistant: Assistant,
    vault: Vault,
    *,
    token: str,
    address: tuple[str, int],
    extra_routes: Sequence[BaseRoute] = (),
    runner: ReplyRunner | None = None,
    limits: RequestLimits | None = None,
) -> Starlette:
    """The application.

    Args:
        token: what `/v1` and `/api` need.
        address: where it listens (`listen`).
        extra_routes: the page's.
        runner: gives the model to one reply after the other; whoever writes replies beside the API must use the same.
            It is closed when the application ends.
        limits: of requests.
    """
    turns = runner or ReplyRunner()

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            turns.close()

    return Starlette(
        routes=[*openai_api.routes(assistant, vault, turns), *extra_routes],
        middleware=[Middleware(Guard, token=token, address=address, limits=limits)],
        exception_handlers={
            ApiError: _api_error,
            BusyError: _busy,
            VaultError: _vault_error,
            HTTPException: _http_error,
        },
        lifespan=life,
    )


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket on this machine alone.

    Args:
        port: 0 takes one that is free.
        host: an address of loopback.

    Raises:
        AddressError: another address, or the port is taken.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise AddressError(f"{host} is no address: `tacit serve` listens on 127.0.0.1 or ::1") from None
    if not address.is_loopback:
        raise AddressError(f"{host} can be reached by others: `tacit serve` listens on 127.0.0.1 or ::1 alone")
    made = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, _own_address(), 1)
        made.bind((host, port))
        made.listen(_CONNECTIONS)
    except OSError as error:
        made.close()
        raise AddressError(
            f"port {port} cannot be used ({error.strerror}): is `tacit serve` running already? --port names another"
        ) from None
    return made


def _own_address() -> int:
    """The option by which nobody takes a port that is listened on; there is no port that was just left, too, on POSIX.

    On Windows SO_REUSEADDR would let anybody take it.
    """
    return int(getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR))


def make_server(app: Starlette) -> uvicorn.Server:
    """Runs the application: `server.run(sockets=[listen(port)])`. It logs no request."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level=None,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_CLOSING_SECONDS,
        )
    )


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - for mypy
    return error_response(error.status, str(error), param=error.param, code=error.code)


async def _busy(_request: Request, _error: Exception) -> Response:
    return error_response(
        429,
        "the assistant is answering others: try again",
        kind="rate_limit_error",
        code="rate_limit_exceeded",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


async def _vault_error(_request: Request, error: Exception) -> Response:
    _LOG.warning("the vault does not answer (%s)", type(error).__name__)
    return error_response(503, "the vault does not answer: try again", kind="server_error", code="vault_unavailable")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for mypy
    says = {404: "there is nothing here", 405: "this is not done with that method"}
    return error_response(error.status_code, says.get(error.status_code, "this cannot be answered"))
