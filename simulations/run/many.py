"""Several runs side by side, one thread a process; one that is finished is not run again."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

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


def run_seed_by_seed(
    directory: Path,
    settings: Mapping[str, Callable[[int], Mapping[str, object]]],
    *,
    seeds: Sequence[int],
    collect: Callable[[], Mapping[str, object]],
    result: str,
    processes: int,
    command: str,
    first: int = 0,
    progress: Callable[[int, int, str], None] = lambda _done, _all, _name: None,
) -> dict[str, object]:
    """Runs every setting with every seed below a directory, and writes what came of them there.

    Seed after seed, so that what is stopped early has whole tables. A run's directory is the setting's name and the
    seed.

    Args:
        settings: by name, what gives a seed's flat configuration.
        collect: what the finished runs say.
        result: the file's name.
        processes, command, first, progress: as `run_many`.

    Returns:
        What the file holds.

    Raises:
        As `run_many`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    jobs = [
        Job(name=f"{name}, seed {seed}", flat=config(seed), path=directory / f"{name}-{seed}")
        for seed in seeds
        for name, config in settings.items()
    ]
    run_many(jobs, processes=processes, command=command, first=first, progress=progress)
    found = {"command": command, **collect()}
    write_whole(directory / result, (json.dumps(found, indent=1) + "\n").encode())
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
