"""Flower's SuperNode below this process: with a port and a secret of its own for every start, and no longer than it.

Any program of this machine may listen on a port that nobody holds, and whoever answers there would speak as the server.
So a node is asked for tasks only once the listening socket on its port is the child's own; a program that was there
first makes the child end, and the next one gets another port and another secret.
"""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from client import tied_process
from client.clean_environment import clean_environment
from client.server_settings import ServerSettings
from shared.private_files import write_private

_LOOPBACK = "127.0.0.1"
_END_SECONDS = 10.0
_LISTENS = "0A"  # in /proc/net/tcp
_SOCKET = re.compile(r"socket:\[(\d+)\]")


class SuperNodeError(RuntimeError):
    """There is no SuperNode to start. Says what to do."""


class SuperNode:
    """One started SuperNode.

    Attributes:
        address: HOST:PORT of its Runtime API, on this machine.
        secret: 32 bytes that only it and this process have.
    """

    def __init__(self, command: str, settings: ServerSettings, place: Path) -> None:
        """Starts it.

        Args:
            command: see `supernode_command`.
            place: a directory that is this process's alone.

        Raises:
            OSError: it cannot be started.
        """
        self.secret = secrets.token_bytes(32)
        self._port = _free_port()
        self.address = f"{_LOOPBACK}:{self._port}"
        write_private(place / "secret", [self.secret], synced=False)
        arguments = [
            sys.executable, "-I", str(Path(tied_process.__file__)), command,
            "--superlink", settings.address, "--host", _LOOPBACK, "--port", str(self._port),
            "--isolation", "process", "--superexec-auth-secret-file", str(place / "secret"),
            "--node-config", f"device-number={settings.number}",
        ]  # fmt: skip
        if settings.root_certificates is None:
            arguments.append("--insecure")
        else:
            arguments += ["--root-certificates", str(settings.root_certificates)]
        if settings.node_key is not None:
            arguments += ["--auth-supernode-private-key", str(settings.node_key)]
        environment = clean_environment()
        environment |= {
            "FLWR_HOME": str(place / "flower"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        }
        with (place / "node.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                arguments,
                cwd=place,
                env=environment,
                stdin=subprocess.PIPE,  # held open for as long as this process lives, and never written to
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __repr__(self) -> str:
        return f"SuperNode({self.address})"

    @property
    def status(self) -> int | None:
        """With which it ended; None while it runs."""
        return self._process.poll()

    def is_listening(self) -> bool:
        """Whether the socket that listens on its port is its own.

        Where sockets are not shown by /proc (other systems than Linux), whether it runs and something answers.
        """
        if self.status is not None:
            return False
        table = Path("/proc/net/tcp")
        if not table.exists():
            with suppress(OSError), socket.create_connection((_LOOPBACK, self._port), timeout=1.0):
                return self.status is None
            return False
        return bool(_listening(table.read_text(encoding="ascii"), self._port) & _sockets_of(self._process.pid))

    def end(self) -> None:
        """Ends it; it tells the server so. Nothing where it has ended."""
        self._process.terminate()
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def supernode_command() -> str:
    """The one that was installed with this Python. Raises: SuperNodeError."""
    beside = Path(sys.executable).with_name("flower-supernode")
    found = str(beside) if beside.is_file() else shutil.which("flower-supernode")
    if found is None:
        raise SuperNodeError("flower-supernode is not installed beside this Python: install Tacit again")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _listening(table: str, port: int) -> set[str]:
    """Inodes of what listens on a port of the loopback address; what listens on all addresses comes second to it."""
    local = f"{int.from_bytes(socket.inet_aton(_LOOPBACK), sys.byteorder):08X}:{port:04X}"
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[9] for row in rows if len(row) > 9 and row[1] == local and row[3] == _LISTENS}


def _sockets_of(process: int) -> set[str]:
    """Inodes of the sockets of a process and of its children."""
    found: set[str] = set()
    with suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                if match := _SOCKET.fullmatch(str(link.readlink())):
                    found.add(match[1])
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                for child in (thread / "children").read_text(encoding="ascii").split():
                    found |= _sockets_of(int(child))
    return found
