"""What a server's processes use: processor seconds, memory and bytes written, sampled while something happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from server.deployment.processes import EXECUTOR, FRONT_DOOR, SUPERLINK

_NAMES = (SUPERLINK, FRONT_DOOR, EXECUTOR)
_SAMPLE_SECONDS = 0.25


@dataclass(kw_only=True)
class Used:
    """Attributes:
    cpu: processor seconds, user and system, by process.
    rss: most resident bytes, by process.
    written: bytes that a process had written to files; 0 where the system does not say.
    others: processor seconds of the machine that were neither theirs nor this process's or its other children's.
    """

    cpu: dict[str, float] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    others: float = 0.0


class Meter:
    """Watches the children of a supervisor that are a server's processes. Where an executor ends, another follows."""

    def __init__(self, supervisor: int) -> None:
        """Args:
        supervisor: process id.
        """
        self._supervisor = psutil.Process(supervisor)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._first: dict[int, tuple[str, float, int]] = {}
        self._last: dict[int, tuple[str, float, int]] = {}
        self._rss: dict[str, int] = {}
        self._machine = self._own = 0.0

    def start(self) -> None:
        """Begins to watch."""
        self._stop.clear()
        self._first, self._last, self._rss = {}, {}, {}
        self._look(first=True)
        self._machine, self._own = _machine_seconds(), self._ours()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> Used:
        """What was used since `start`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._look()
        used = Used(cpu=dict.fromkeys(_NAMES, 0.0), rss=dict(self._rss), written=dict.fromkeys(_NAMES, 0))
        for pid, (name, cpu, written) in self._last.items():
            _, before, written_before = self._first.get(pid, (name, 0.0, 0))
            used.cpu[name] += cpu - before
            used.written[name] += written - written_before
        used.others = max(0.0, _machine_seconds() - self._machine - (self._ours() - self._own) - sum(used.cpu.values()))
        return used

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self._look()

    def _look(self, *, first: bool = False) -> None:
        for name, process in self._processes():
            with suppress(psutil.Error):
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
                    written = process.io_counters().write_chars if hasattr(process, "io_counters") else 0
                found = (name, times.user + times.system, written)
                self._last[process.pid] = found
                self._rss[name] = max(self._rss.get(name, 0), memory)
                if first:
                    self._first[process.pid] = found

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        with suppress(psutil.Error):
            for child in self._supervisor.children():
                with suppress(psutil.Error):
                    command = child.cmdline()
                    if "server.deployment.processes" in command:
                        yield command[command.index("server.deployment.processes") + 1], child

    def _ours(self) -> float:
        """Processor seconds of this process and of its children that are no server's."""
        total = 0.0
        servers = {process.pid for _, process in self._processes()}
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            if process.pid not in servers:
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    total += times.user + times.system
        return total


def _machine_seconds() -> float:
    """Processor seconds that were not idle, of all cores, since the machine began."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")))
