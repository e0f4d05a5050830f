"""Flower's deployment runtime on loopback: a real SuperLink, and whatever else a test or an engine starts beside it.

There is no TLS and no authentication here, so nothing but loopback may be listened on.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import tomli_w

from server.releases import ADAPTER_DIRECTORY, read_rounds
from server.rounds import Observe
from shared.flat_config import to_tables
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput

PROJECT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_COMMAND_SECONDS = 120.0
_STATUS_SECONDS = 10.0
_STOP_SECONDS = 5.0


class DeploymentError(RuntimeError):
    """The deployment did not start, or its run failed. Every process of it has been ended."""


class Loopback:
    """A SuperLink that listens, and the processes that were started beside it; all end with the stack.

    Attributes:
        address: HOST:PORT of the SuperLink.
    """

    def __init__(self, place: Path, stack: ExitStack) -> None:
        """Args:
        place: a new directory that only this user may read; Flower's state goes there.
        stack: ends everything when it is closed.

        Raises:
            DeploymentError: this is not a checkout of the project, which the bundle is built from; or the SuperLink
                does not listen.
        """
        if not (PROJECT / "pyproject.toml").is_file():
            raise DeploymentError("the engine 'deployed' builds a bundle, and needs a checkout of the project")
        self._place, self._stack = place, stack
        self._environment = _environment(place)
        (port,) = free_ports(1)
        self.address = f"{LOOPBACK}:{port}"
        self.start("flower-superlink", "--insecure", "--host", LOOPBACK, "--port", str(port))
        _wait_for_port(port)
        (place / "flower" / "config.toml").write_text(
            f'[superlink]\ndefault = "loopback"\n[superlink.loopback]\naddress = "{self.address}"\ninsecure = true\n'
        )

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts one of the commands that are installed beside this Python.

        Args:
            environment: added to the processes' own.
        """
        process = _process(
            [_command(arguments[0]), *arguments[1:]], self._place, self._environment | dict(environment or {})
        )
        self._stack.enter_context(process)

    def run(
        self, plan: FederationPlan, output: RunOutput, *, observe: Observe | None = None, timeout: float = 3600.0
    ) -> None:
        """Runs a plan on whatever nodes are there.

        Args:
            observe: called after each round's release, from this process.
            timeout: seconds for all of it.

        Raises:
            DeploymentError: the run failed or took too long.
        """
        deadline = time.monotonic() + timeout
        config = self._place / "run.toml"
        config.write_text(tomli_w.dumps(to_tables(plan.to_run_config() | output.to_run_config())))
        run_id = str(self._flwr("run", str(PROJECT), "loopback", "--run-config", str(config))["run-id"])
        _follow(plan, Path(output.directory), deadline, observe, lambda: self._state(run_id), resume=output.resume)

    def _state(self, run_id: str) -> str:
        listed = self._flwr("list", "loopback", "--run-id", run_id)
        runs = listed.get("runs")
        if isinstance(runs, list) and runs and isinstance(runs[0], dict):
            return str(runs[0].get("status", ""))
        return ""

    def _flwr(self, *arguments: str) -> dict[str, object]:
        """One of Flower's commands, and its JSON."""
        try:
            done = subprocess.run(  # noqa: S603
                [_command("flwr"), *arguments, "--format", "json"],
                cwd=self._place, env=self._environment, capture_output=True, text=True, timeout=_COMMAND_SECONDS,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeploymentError(f"`flwr {arguments[0]}` did not end in {_COMMAND_SECONDS:g} s") from None
        try:
            said = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            raise DeploymentError(f"`flwr {arguments[0]}` failed: {(done.stdout + done.stderr)[-400:]}") from None
        if not isinstance(said, dict) or not said.get("success"):
            raise DeploymentError(f"`flwr {arguments[0]}` failed: {done.stdout[-400:]}")
        return said


def _follow(
    plan: FederationPlan,
    directory: Path,
    deadline: float,
    observe: Observe | None,
    state: Callable[[], str],
    *,
    resume: bool,
) -> None:
    """Reports rounds as they are released, until the run has ended."""
    seen = len(read_rounds(directory)) if resume else 0
    asked = time.monotonic()
    while True:
        records = read_rounds(directory)
        for record in records[seen:]:
            if observe is not None:
                observe(record)
        seen = max(seen, len(records))
        if len(records) == plan.rounds and (directory / ADAPTER_DIRECTORY).is_dir():
            return
        now = time.monotonic()
        if now > deadline:
            raise DeploymentError(f"the run had {len(records)} of {plan.rounds} rounds when its time was over")
        if now - asked > _STATUS_SECONDS:
            asked = now
            said = state()
            if said.startswith("finished") and not (directory / ADAPTER_DIRECTORY).is_dir():
                raise DeploymentError(f"the run ended after {len(read_rounds(directory))} rounds: {said}")
        time.sleep(0.5)


@contextmanager
def _process(arguments: Sequence[str], place: Path, environment: dict[str, str]) -> Iterator[None]:
    # In a session of its own: Ctrl-C is answered here, in order.
    process = subprocess.Popen(  # noqa: S603
        arguments, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        # Executors and apps are started in sessions of their own: found by descent, while their parents live.
        family = [process.pid, *_descendants(process.pid)]
        for end in (signal.SIGTERM, signal.SIGKILL):
            for member in family:
                with suppress(ProcessLookupError):
                    os.kill(member, end)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        process.wait()


def _descendants(ancestor: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, waiting = [], [ancestor]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


def _environment(place: Path) -> dict[str, str]:
    home = place / "flower"
    home.mkdir()
    scripts = str(Path(sys.executable).parent)
    # Not the caller's PYTHONPATH: the bundle's own code must run.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        # A bundle holds no weights.
        "TACIT_TINY_MODEL": str(PROJECT / "shared" / "tiny_model"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _command(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on now."""
    with ExitStack() as held:
        sockets = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1.0):
                return
        except OSError:
            time.sleep(0.2)
    raise DeploymentError(f"the SuperLink did not listen within {_START_SECONDS:g} s")
