"""Runs a sweep, or goes on with it: checks everything, runs what is missing, keeps the table as runs end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.flat_config import ConfigError
from simulations.run.config import RunConfig
from simulations.run.expected_cost import Budget, ExpectedCosts
from simulations.run.many import Sweep, SweepState
from simulations.run.run import check_run
from simulations.run.side_by_side import Job
from simulations.sweeps.definition import SweepDefinition
from simulations.sweeps.directory import (
    SWEEP_FILE,
    begin_sweep,
    read_sweep_record,
    record_json,
    write_sweep_table,
)


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """How a sweep is run.

    Attributes:
        changes: flat keys for every run.
        budget: what all of it may take.
        ray: address of a Ray cluster; None runs on this machine.
        command: that began it.
        progress, watch: see `simulations.run.many`.
    """

    changes: Mapping[str, object] = field(default_factory=dict)
    budget: Budget
    ray: str | None = None
    command: str
    progress: Callable[[int, int, str], None] = lambda _done, _all, _name: None
    watch: Callable[[SweepState], None] = lambda _state: None


def check_sweep(definition: SweepDefinition, changes: Mapping[str, object]) -> None:
    """Raises: ConfigError: a cell cannot be a run over its population, or promise what it is to; it names the cell."""
    definition.check(changes)
    for name, cell in definition.cells.items():
        try:
            check_run(RunConfig.from_flat(cell.config(definition.seeds[0], changes, memory=Path("memory"))))
        except ConfigError as error:
            raise ConfigError(f"cell {name}: {error}") from None


def run_sweep(definition: SweepDefinition, directory: Path, settings: SweepSettings) -> None:
    """Runs every cell with every seed that is not finished below `directory`, seed after seed.

    A run that was killed goes on after its last finished round.

    Raises:
        ConfigError: a cell cannot be a run, or stands there with other settings; before anything is run.
        ReleaseError: the directory holds something else, or what runs raise. Finished runs stand.
    """
    check_sweep(definition, settings.changes)
    begin_sweep(directory, definition, command=settings.command)

    def ended(done: int, total: int, name: str) -> None:
        write_sweep_table(directory)
        settings.progress(done, total, name)

    sweep = Sweep(
        directory=directory,
        seeds=definition.seeds,
        changes=settings.changes,
        processes=settings.budget.processes,
        command=settings.command,
        progress=ended,
        watch=settings.watch,
        budget=settings.budget,
        ray=settings.ray,
    )
    sweep.run(
        {name: cell.config for name, cell in definition.cells.items()},
        collect=lambda: record_json(read_sweep_record(directory)),
        result=SWEEP_FILE,
    )
    write_sweep_table(directory)


def expected_seconds(definition: SweepDefinition, directory: Path, settings: SweepSettings) -> float | None:
    """How long all of its runs would take one after the other, by those that are finished there; None without any."""
    costs = ExpectedCosts(budget=settings.budget)
    jobs = [
        Job(
            name=name,
            flat=cell.config(seed, settings.changes, memory=directory / "memory"),
            path=directory / f"{name}-{seed}",
        )
        for name, cell in definition.cells.items()
        for seed in definition.seeds
    ]
    for job in jobs:
        costs.learn_finished(job)
    expected = [costs.seconds(job) for job in jobs]
    known = [seconds for seconds in expected if seconds is not None]
    return sum(known) if known else None


def in_budget(definition: SweepDefinition, *, processes: int | None, memory_gib: float | None) -> Budget:
    """The definition's budget with what was asked for otherwise."""
    budget = definition.budget
    if processes is not None:
        budget = replace(budget, processes=processes)
    return budget if memory_gib is None else replace(budget, memory_gib=memory_gib)
