"""Several runs side by side, one thread a process; one that is finished is not run again."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from rich.console import Console

from server.whole_files import write_whole
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
        processes, command, progress: as `run_many`.
    """

    directory: Path
    seeds: Sequence[int]
    changes: Mapping[str, object]
    processes: int
    command: str
    progress: Callable[[int, int, str], None] = lambda _done, _all, _name: None

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
        run_many(jobs, processes=self.processes, command=self.command, first=first, progress=self.progress)
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
) -> None:
    """Runs every job to its end.

    Args:
        processes: runs at a time.
        command: what they were begun with.
        first: so many of the jobs are ended before the others begin, which share what they make.
        progress: told (runs done, runs in all, the run that has ended).

    Raises:
        ConfigError, ReleaseError: as runs raise them. Those that have ended stand.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        done = 0
        try:
            for part in (jobs[:first], jobs[first:]):
                waiting = {pool.submit(_run, dict(job.flat), job.path, command): job.name for job in part}
                for ended in as_completed(waiting):
                    ended.result()
                    done += 1
                    progress(done, len(jobs), waiting[ended])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(flat: dict[str, object], path: Path, command: str) -> None:
    torch.set_num_threads(1)
    with RunProgress(Console(quiet=True)) as shown:
        if (path / "config.toml").is_file():
            resume_run(path, flat, shown=shown)
        else:
            start_run(RunConfig.from_flat(flat), path, overwrite=False, command=command, shown=shown)
