"""An application on a port of loopback, in a thread of this process."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def listening(app: ASGIApp, *, http: type[asyncio.Protocol] | None = None) -> Iterator[int]:
    """Its port. `http`: uvicorn's protocol, or its own choice."""
    config = uvicorn.Config(app, http=http or "auto", log_config=None, ws="none", timeout_graceful_shutdown=1)
    with listening_as(config) as port:
        yield port


@contextmanager
def listening_as(config: uvicorn.Config) -> Iterator[int]:
    """The port of what a configuration serves, whatever port that names."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([taken],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield int(taken.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(timeout=10)
