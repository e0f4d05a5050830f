"""The three processes of a server: `python -m server.deployment.processes NAME DIR`, as the supervisor starts them.

Each ends when the supervisor does, however that ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from server.deployment.directory import ServerDirectory
from server.deployment.running import LOOPBACK, Running, read_running

if TYPE_CHECKING:
    import uvicorn

    from server.deployment.door_connections import ConnectionLimits

SUPERLINK, EXECUTOR, FRONT_DOOR = "superlink", "executor", "front-door"
_WATCH_SECONDS = 1.0
_IDLE_SECONDS = 65  # devices ask every three seconds


def main() -> None:
    """Becomes the process that the arguments name."""
    name, path = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", force=True)
    for library in ("httpx", "httpcore", "alembic", "uvicorn.error"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("flwr").propagate = False  # it writes its lines itself
    directory = ServerDirectory(Path(path))
    running = read_running(directory)
    if running is None:
        sys.exit("`tacit-server up` starts this")
    threading.Thread(target=_end_with, args=(running.pid,), daemon=True).start()
    {SUPERLINK: _superlink, EXECUTOR: _executor, FRONT_DOOR: _front_door}[name](directory, running)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10 * _WATCH_SECONDS)
    os._exit(1)


def _superlink(directory: ServerDirectory, running: Running) -> None:
    from server.deployment.superlink import run_superlink

    run_superlink(directory, running)


def _executor(directory: ServerDirectory, running: Running) -> None:
    from server.deployment.executor import ServerExecutor

    # The run stays as it is: the next executor goes on with it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ServerExecutor(directory, running).run_one()


def front_door_config(
    directory: ServerDirectory, running: Running, limits: ConnectionLimits | None = None
) -> uvicorn.Config:
    """How uvicorn serves the front door: TLS, within limits, without a log of who asks."""
    import uvicorn

    from server.deployment.door_connections import ConnectionLimits, limited_connections
    from server.deployment.front_door import build_front_door

    settings = directory.settings()
    certificate, key = directory.certificate("server")
    app = build_front_door(
        running.address,
        authority=ssl.create_default_context(cafile=str(directory.authority)),
        largest_request=settings.largest_request * 2**20,
    )
    return uvicorn.Config(
        app, host=settings.listen, port=settings.port, ssl_certfile=certificate, ssl_keyfile=str(key), ws="none",
        http=limited_connections(limits or ConnectionLimits()), log_config=None, access_log=False,
        server_header=False, date_header=False, timeout_keep_alive=_IDLE_SECONDS, timeout_graceful_shutdown=5,
    )  # fmt: skip


def _front_door(directory: ServerDirectory, running: Running) -> None:
    import uvicorn

    from server.deployment.door_connections import ConnectionLimits
    from server.deployment.metrics import build_metrics

    class Beside(uvicorn.Server):
        """Ends when the other does."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    settings = directory.settings()
    limits = ConnectionLimits()
    _allow_files(3 * limits.in_all)  # a connection, its body, and one to SuperLink
    front_door = front_door_config(directory, running, limits)
    metrics = uvicorn.Config(
        build_metrics(directory), host=LOOPBACK, port=settings.metrics_port, ws="none", log_config=None,
        access_log=False, server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip

    async def serve() -> None:
        front, beside = uvicorn.Server(front_door), Beside(metrics)
        other = asyncio.create_task(beside.serve())
        await front.serve()
        beside.should_exit = True
        await other

    asyncio.run(serve())


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    main()
