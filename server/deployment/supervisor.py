"""Keeps a server's processes alive: starts what died again, later and later, and ends all of them with itself."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

_LOG = logging.getLogger(__name__)
_BACK_OFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_SETTLED_SECONDS = 60.0
_TICK_SECONDS = 0.2
_CHECK_SECONDS = 5.0
_PATIENCE = 6  # checks in a row that may fail, once a process was healthy
_START_SECONDS = 90.0
_END_SECONDS = 10.0
_LARGEST_LOG = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Service:
    """Attributes:
    name: of the process, and of its log.
    command: its arguments.
    environment: all of it.
    is_healthy: whether it serves; None where living is enough.
    healthy: called each time that it serves again.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    is_healthy: Callable[[], bool] | None = None
    healthy: Callable[[], None] = lambda: None


@dataclass
class _State:
    service: Service
    process: subprocess.Popen[bytes] | None = None
    begun: float = 0.0
    due: float = 0.0
    failures: int = 0
    checked: float = 0.0
    bad_checks: int = 0
    measured: float = 0.0
    was_healthy: bool = field(default=False)


class Supervisor:
    """Runs services until it is told to stop."""

    def __init__(self, services: Sequence[Service], logs: Path, *, say: Callable[[str], None]) -> None:
        """Args:
        logs: directory for a file a service.
        say: told what a person wants to know, a line at a time.
        """
        self._states = [_State(service=service) for service in services]
        self._logs = logs
        self._say = say

    def run(self, stop: Event) -> None:
        """Until `stop` is set; then ends every service, and whatever those have started."""
        try:
            while not stop.is_set():
                for state in self._states:
                    self._tend(state, time.monotonic())
                stop.wait(_TICK_SECONDS)
        finally:
            self._end(self._states)

    def _tend(self, state: _State, now: float) -> None:
        process, service = state.process, state.service
        if process is None:
            if now >= state.due:
                self._start(state, now)
            return
        status = process.poll()
        if status is not None:
            _end_group(process.pid, signal.SIGKILL)
            state.process = None
            if status == 0:  # it had done what it had to do
                state.failures, state.due = 0, now
                return
            settled = now - state.begun > _SETTLED_SECONDS
            pause = _BACK_OFF_SECONDS[0 if settled else min(state.failures, len(_BACK_OFF_SECONDS) - 1)]
            state.failures, state.due = (1 if settled else state.failures + 1), now + pause
            self._say(f"{service.name} ended ({_described(status)}): again in {pause:g} s; see {service.name}.log")
            return
        if service.is_healthy is not None and now - state.checked >= (
            _CHECK_SECONDS if state.was_healthy else _TICK_SECONDS
        ):
            self._check(state, service.is_healthy)
        if now - state.measured >= _CHECK_SECONDS:
            state.measured = now
            _bound(self._log(service))

    def _log(self, service: Service) -> Path:
        return self._logs / f"{service.name}.log"

    def _check(self, state: _State, is_healthy: Callable[[], bool]) -> None:
        if is_healthy():
            state.bad_checks = 0
            if not state.was_healthy:
                state.was_healthy = True
                self._say(f"{state.service.name} serves")
                state.service.healthy()
        elif state.was_healthy:
            state.bad_checks += 1
        now = state.checked = time.monotonic()
        late = not state.was_healthy and now - state.begun > _START_SECONDS
        if state.process is not None and (late or state.bad_checks >= _PATIENCE):
            self._say(f"{state.service.name} does not answer: it is ended, and started again")
            _end_group(state.process.pid, signal.SIGKILL)

    def _start(self, state: _State, now: float) -> None:
        service = state.service
        path = self._log(service)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as log:
            # In a session of its own: Ctrl-C is answered here, in order.
            state.process = subprocess.Popen(  # noqa: S603
                service.command, env=dict(service.environment), cwd=self._logs, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        state.begun, state.checked, state.bad_checks, state.was_healthy = now, 0.0, 0, False
        _LOG.info("%s is process %d", service.name, state.process.pid)

    def _end(self, states: Sequence[_State]) -> None:
        """The last first, so that nobody talks to what has gone."""
        for end, seconds in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, _END_SECONDS)):
            for state in reversed(states):
                if state.process is not None:
                    _end_group(state.process.pid, end)
            deadline = time.monotonic() + seconds
            for state in states:
                if state.process is not None:
                    with suppress(subprocess.TimeoutExpired):
                        state.process.wait(max(0.0, deadline - time.monotonic()))
        for state in states:
            state.process = None


def _bound(log: Path) -> None:
    """Keeps a log and the one before it from growing for ever; its process appends to the same file all along."""
    if log.stat().st_size > _LARGEST_LOG:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def _end_group(group: int, end: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, end)


def _described(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
