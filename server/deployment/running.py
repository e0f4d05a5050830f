"""What of a server is running now: `state/running.json`, written by `tacit-server up`, and the lock that it holds."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from server.deployment.directory import DeploymentError, ServerDirectory, ServerSettings
from shared.private_files import write_private

LOOPBACK = "127.0.0.1"
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Running:
    """Attributes:
    pid: of the supervisor.
    superlink, health: loopback ports of SuperLink, and of its gRPC health service.
    """

    pid: int
    superlink: int
    health: int

    @property
    def address(self) -> str:
        """HOST:PORT of SuperLink on this machine."""
        return f"{LOOPBACK}:{self.superlink}"


@contextmanager
def claimed(directory: ServerDirectory, settings: ServerSettings) -> Iterator[Running]:
    """Holds the directory while a server runs in it, and says so in its file.

    Raises:
        DeploymentError: a server runs in it already, or one of its ports is in use.
    """
    lock = FileLock(_lock(directory), mode=0o600)
    try:
        lock.acquire(timeout=_LOOK_SECONDS, poll_interval=0.02)  # whoever looks holds it for a moment
    except Timeout:
        running = read_running(directory)
        by = "" if running is None else f" (process {running.pid})"
        raise DeploymentError(f"the server in {directory.path} is up already{by}") from None
    file = directory.state / "running.json"
    try:
        file.unlink(missing_ok=True)  # a killed server's
        check_port(settings.listen, settings.port, "server.port")
        check_port(LOOPBACK, settings.metrics_port, "server.metrics-port")
        superlink, health = free_ports(2)
        running = Running(pid=os.getpid(), superlink=superlink, health=health)
        write_private(file, [json.dumps(asdict(running)).encode()])
        yield running
    finally:
        file.unlink(missing_ok=True)
        lock.release()


def read_running(directory: ServerDirectory) -> Running | None:
    """What runs, or None. The file of a supervisor that was killed counts for nothing: its lock went with it."""
    try:
        running = Running(**json.loads((directory.state / "running.json").read_text(encoding="utf-8")))
        return running if _is_held(_lock(directory)) else None
    except (OSError, ValueError, TypeError):
        return None


def _lock(directory: ServerDirectory) -> Path:
    return directory.state / "lock"


def _is_held(lock: Path) -> bool:
    """Whether a process holds the lock for itself. Looking is shared, so that two who look do not see each other."""
    descriptor = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def check_port(address: str, port: int, key: str) -> None:
    """Raises: DeploymentError: something listens there, or this user may not."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise DeploymentError(
                f"cannot listen on {address} port {port} ({error.strerror}): stop what does, or choose another {key} "
                "in server.toml"
            ) from None


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
