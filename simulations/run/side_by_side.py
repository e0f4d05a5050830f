"""Where a sweep's runs are done: processes of this machine, or tasks of a Ray cluster. Each run has a fresh process.

A fresh process costs seconds and makes a run's peak memory its own. A process whose sweep was killed ends itself, so
that the resumed sweep finds no stranger in its directories.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

import torch
from rich.console import Console

from server.releases import ReleaseError
from shared.command_line import quiet_libraries
from simulations.engines.ray import RayMissingError
from simulations.run.config import RunConfig
from simulations.run.progress import RunProgress
from simulations.run.run import resume_run, start_run


@dataclass(frozen=True, kw_only=True)
class Job:
    """Attributes:
    name: for those who wait.
    flat: the run's keys.
    path: its directory.
    """

    name: str
    flat: Mapping[str, object]
    path: Path

    @cached_property
    def config(self) -> RunConfig:
        """Of the run, read once: whoever waits asks for it every second.

        Raises:
            ConfigError: the keys are no run's.
        """
        return RunConfig.from_flat(self.flat)


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """Attributes:
    seconds: wall time of the run's process.
    peak_bytes: the largest resident set of its process and of its largest child, added: with one process that trains,
        no less than the run ever held.
    """

    seconds: float
    peak_bytes: int


class RunWorkers(Protocol):
    """Does runs. A context manager; leaving it ends what still goes on."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def submit(self, job: Job, *, command: str, peak_bytes: int | None) -> Future[JobCost]:
        """Begins a run, or goes on with it.

        Args:
            command: what it was begun with.
            peak_bytes: what it is expected to take, for whoever places it.
        """


class ProcessWorkers:
    """Processes of this machine, one thread of PyTorch each."""

    def __init__(self, processes: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=processes)
        self._alive: set[BaseProcess] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            alive = list(self._alive)
        for process in alive:
            process.terminate()
        self._threads.shutdown(wait=True)

    def submit(self, job: Job, *, command: str, peak_bytes: int | None) -> Future[JobCost]:  # noqa: ARG002
        """Begins a run: see `RunWorkers`."""
        return self._threads.submit(self._run, job, command)

    def _run(self, job: Job, command: str) -> JobCost:
        context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_in_process, args=(job, command, theirs), name=job.name)
        process.start()
        theirs.close()
        with self._lock:
            self._alive.add(process)
        try:
            told = ours.recv()
        except EOFError:
            told = None
        finally:
            process.join()
            ours.close()
            with self._lock:
                self._alive.discard(process)
        if isinstance(told, BaseException):
            raise told
        if told is None:
            raise ReleaseError(
                f"the process of {job.name} ended with status {process.exitcode}; a status of -9 is often the "
                "system's, for want of memory. Finished rounds stand, and the same command goes on"
            )
        return cast(JobCost, told)


class RayWorkers:
    """Tasks of a Ray cluster, whose machines all see the sweep's directory and have Tacit installed."""

    def __init__(self, address: str) -> None:
        """Args:
            address: of the cluster: "auto", HOST:PORT, or "local" for one on this machine that ends with the sweep.

        Raises:
            RayMissingError: Ray is not installed, or no cluster answers there.
        """
        # Ray's workers must find the same packages as this process where they run on this machine.
        os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise RayMissingError("--ray needs Ray: pip install 'tacit[sim]'") from None
        try:
            more = {"include_dashboard": False} if address == "local" else {}
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **more)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RayMissingError(f"--ray: no cluster answers at {address!r} ({type(error).__name__})") from None
        self._ray = ray
        self._task = ray.remote(num_cpus=1, max_calls=1, max_retries=0)(run_job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    @property
    def cores(self) -> int:
        """Of the whole cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, job: Job, *, command: str, peak_bytes: int | None) -> Future[JobCost]:
        """Begins a run: see `RunWorkers`. Its expected memory is asked of Ray, which finds the machine."""
        task = self._task.options(memory=peak_bytes or 0, name=job.name)
        return cast("Future[JobCost]", task.remote(job, command).future())


def run_job(job: Job, command: str) -> JobCost:
    """Does one run in this process, to its end. Raises: as runs do."""
    began = time.perf_counter()
    torch.set_num_threads(1)
    with RunProgress(Console(quiet=True)) as shown:
        if (job.path / "config.toml").is_file():
            resume_run(job.path, dict(job.flat), shown=shown)
        else:
            start_run(job.config, job.path, overwrite=False, command=command, shown=shown)
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return JobCost(seconds=time.perf_counter() - began, peak_bytes=unit * sum(peaks))


def _in_process(job: Job, command: str, pipe: Connection) -> None:
    end_with_parent()
    quiet_libraries(Console(stderr=True))
    told: object
    try:
        told = run_job(job, command)
    except BaseException as error:  # the sweep raises it
        told = error
    try:
        pipe.send(told)
    except (TypeError, AttributeError, OSError):  # an error that cannot be sent: its kind must do
        pipe.send(ReleaseError(f"{job.name} ended with {type(told).__name__}"))


def end_with_parent() -> None:
    """Ends this process when its parent has died, however it died."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
