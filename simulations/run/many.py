"""Several runs side by side, one thread a process, within a memory budget; one that is finished is not run again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from server.releases import ROUNDS_FILE
from server.run_summary import SUMMARY_FILE
from server.whole_files import write_whole
from shared.flat_config import ConfigError
from simulations.run.expected_cost import GIB, Budget, ExpectedCosts
from simulations.run.progress import RunProgress
from simulations.run.run import resume_run
from simulations.run.side_by_side import Job, JobCost, ProcessWorkers, RayWorkers, RunWorkers

__all__ = ["Budget", "Job", "Sweep", "SweepState", "run_many"]

_LOOK = 1.0  # seconds between looks at what goes on
_UNLIMITED = Budget(run_gib=1e-6, memory_gib=1e9)
_TRAINING = 0.85  # of a run's time, about: the rest is measured


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """How far a sweep is.

    Attributes:
        done: runs' worth, those at work by their rounds.
        total: runs.
        running: names of those at work.
        seconds_left: by what like runs took; None before any has ended.
    """

    done: float
    total: int
    running: tuple[str, ...]
    seconds_left: float | None


class RunConfigOf(Protocol):
    """Gives a setting's flat configuration for one seed."""

    def __call__(self, seed: int, changes: Mapping[str, object], *, memory: Path) -> Mapping[str, object]: ...


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Several settings with several seeds, below one directory.

    Attributes:
        directory: of the runs; each one's is its setting's name and its seed.
        seeds: seed after seed, so that what is stopped early has whole tables.
        changes: flat keys for all runs.
        processes, command, progress, watch, ray: as `run_many`.
        budget: of memory, as `run_many`.
    """

    directory: Path
    seeds: Sequence[int]
    changes: Mapping[str, object]
    processes: int
    command: str
    progress: Callable[[int, int, str], None] = lambda _done, _all, _name: None
    watch: Callable[[SweepState], None] = lambda _state: None
    budget: Budget | None = None
    ray: str | None = None

    def run(
        self,
        settings: Mapping[str, RunConfigOf],
        *,
        collect: Callable[[], Mapping[str, object]],
        result: str,
        first: int = 0,
    ) -> dict[str, object]:
        """Runs every setting with every seed, and writes what came of them; returns what the file holds.

        Args:
            settings: by name.
            collect: what the finished runs say.
            result: the file's name.
            first: as `run_many`.

        Raises:
            As `run_many`.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        memory = self.directory / "memory"
        jobs = [
            Job(
                name=f"{name}, seed {seed}",
                flat=config(seed, self.changes, memory=memory),
                path=self.directory / f"{name}-{seed}",
            )
            for seed in self.seeds
            for name, config in settings.items()
        ]
        run_many(
            jobs, processes=self.processes, command=self.command, first=first, progress=self.progress,
            watch=self.watch, budget=self.budget, ray=self.ray,
        )  # fmt: skip
        found = {"command": self.command, **collect()}
        write_whole(self.directory / result, (json.dumps(found, indent=1) + "\n").encode())
        return found


def run_many(
    jobs: Sequence[Job],
    *,
    processes: int,
    command: str,
    first: int = 0,
    progress: Callable[[int, int, str], None] = lambda _done, _all, _name: None,
    watch: Callable[[SweepState], None] = lambda _state: None,
    budget: Budget | None = None,
    ray: str | None = None,
) -> None:
    """Runs every job to its end.

    Args:
        processes: runs at a time.
        command: what they were begun with.
        first: so many of the jobs are ended before the others begin, which share what they make.
        progress: told (runs done, runs in all, the run that has ended).
        watch: told now and then how far all of them are.
        budget: of memory; its processes are not looked at. None starts as many runs as `processes`, however large.
        ray: address of a Ray cluster to run them on, instead of processes of this machine.

    Raises:
        ConfigError, ReleaseError: as runs raise them; or a run takes more memory than there may be. No run is begun
            after that, those at work end, and those that have ended stand.
    """
    costs = ExpectedCosts(budget=budget or _UNLIMITED)
    unfinished = []
    for place, job in enumerate(jobs):
        if not (job.path / SUMMARY_FILE).exists():
            unfinished.append((place, job))
            continue
        with RunProgress(Console(quiet=True)) as quiet:
            resume_run(job.path, dict(job.flat), shown=quiet)  # finished: only checks that it is the run that is meant
        costs.learn_finished(job)
        progress(place + 1 - len(unfinished), len(jobs), job.name)
    begun = [job for place, job in unfinished if place < first]
    for part in (begun, [job for place, job in unfinished if place >= first]):
        if part:
            _run_part(part, jobs, costs, processes, command, progress, watch, ray)


def _run_part(
    part: Sequence[Job],
    jobs: Sequence[Job],
    costs: ExpectedCosts,
    processes: int,
    command: str,
    progress: Callable[[int, int, str], None],
    watch: Callable[[SweepState], None],
    ray: str | None,
) -> None:
    waiting = list(part)
    at_work: dict[Future[JobCost], tuple[Job, float]] = {}
    workers: RunWorkers = ProcessWorkers(processes) if ray is None else RayWorkers(ray)
    failed: BaseException | None = None
    unfinished = sum(not (job.path / SUMMARY_FILE).exists() for job in jobs)
    with workers:
        while at_work or (waiting and failed is None):
            while failed is None and waiting and len(at_work) < processes:
                fitting = next((job for job in waiting if costs.fits(job, (one for one, _ in at_work.values()))), None)
                if fitting is None:
                    break
                _check_room(fitting, costs)
                waiting.remove(fitting)
                begun = workers.submit(fitting, command=command, peak_bytes=costs.peak_bytes(fitting))
                at_work[begun] = (fitting, time.monotonic())
            ended, _ = wait(at_work, timeout=_LOOK, return_when=FIRST_COMPLETED)
            for future in ended:
                job, _ = at_work.pop(future)
                error = future.exception()
                if error is not None:
                    failed = failed or error
                    continue
                costs.learn(job, future.result())
                unfinished -= 1
                progress(len(jobs) - unfinished, len(jobs), job.name)
            watch(_state(jobs, waiting, at_work, costs, processes))
    if failed is not None:
        raise failed


def _check_room(job: Job, costs: ExpectedCosts) -> None:
    peak, most = costs.peak_bytes(job), costs.budget.memory_bytes
    if peak is not None and peak > most:
        raise ConfigError(
            f"budget.memory-gib: {job.name} takes {peak / GIB:.1f} GiB, and {most / GIB:.1f} are there for all runs"
        )


def _state(
    jobs: Sequence[Job],
    waiting: Sequence[Job],
    at_work: Mapping[Future[JobCost], tuple[Job, float]],
    costs: ExpectedCosts,
    processes: int,
) -> SweepState:
    running = list(at_work.values())
    done = len(jobs) - len(waiting) - len(running) + sum(_part_done(job) for job, _ in running)
    left: float | None = 0.0
    for job, began in [*running, *((job, None) for job in waiting)]:
        expected = costs.seconds(job)
        if expected is None or left is None:
            left = None
        else:
            passed = 0.0 if began is None else time.monotonic() - began
            left += max(expected - passed, 0.02 * expected)
    side_by_side = max(1, min(processes, len(running) + len(waiting)))
    return SweepState(
        done=done,
        total=len(jobs),
        running=tuple(job.name for job, _ in running),
        seconds_left=None if left is None else left / side_by_side,
    )


def _part_done(job: Job) -> float:
    """How much of a run at work is done, by its rounds."""
    try:
        rounds = (job.path / ROUNDS_FILE).read_bytes().count(b"\n")
    except OSError:
        return 0.0
    return _TRAINING * min(1.0, rounds / job.config.plan.rounds)
