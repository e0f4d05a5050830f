"""`tacit-sim sweep`: any settings against each other, over seeds, side by side."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.command_line import parse_assignment
from shared.flat_config import ConfigError
from simulations.commands.showing import err, explained_here, out
from simulations.commands.sweeping import GOES_ON, show_state, time_left

if TYPE_CHECKING:
    from simulations.run.many import SweepState
    from simulations.run.progress import Stage
    from simulations.sweeps.beside import Wanted
    from simulations.sweeps.definition import SweepDefinition
    from simulations.sweeps.running import SweepSettings


def sweep(
    named: Annotated[str, typer.Argument(metavar="FILE|PRESET", help="A sweep's TOML file, or a preset: see `help`.")],
    out_directory: Annotated[
        Path | None, typer.Option("--out", help="Directory of the runs; finished ones are kept. runs/NAME by default.")
    ] = None,
    cells: Annotated[
        str | None, typer.Option(help="Which cells, comma-separated, or all; by default the file's own choice.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="How many, from 0; by default the file's.", min=1)] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The same sweep in small, in minutes, audits and baselines too.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry", help="Check everything and list the cells; run nothing.")] = False,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting for all runs: GROUP.KEY=VALUE.")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="Runs side by side, or audits, one thread each.", min=1)] = None,
    memory_gib: Annotated[
        float | None, typer.Option(help="Of all runs together; four fifths of the machine's by default.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Run on a Ray cluster: HOST:PORT, auto, or local. Its machines see --out and have Tacit installed."
        ),
    ] = None,
    audits: Annotated[
        str | None,
        typer.Option(
            help="Attack every cell, first seed: all, or names as of `tacit-sim audit`. Exit 1: a claim is broken."
        ),
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Measure `tacit-sim baselines` beside the first cell's first seed.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Write report.html and plots/ at the end.")] = False,
) -> None:
    r"""Run every cell of a sweep with every seed; the same command goes on with a sweep that was stopped or killed.

    The figures of all runs stand in sweep.csv (and sweep.parquet) of --out, a row each, what varies as columns.

    Examples:

      tacit-sim sweep help

      tacit-sim sweep frontier --out runs/frontier --audits all --baselines --report

      tacit-sim sweep mine.toml --out runs/mine --dry

    where mine.toml is, for example:

      seeds = 3

      base = { preset = "demo", set = { "data.users" = 300, "federation.cohort-size" = 50 } }

      grid = { "run.epsilon" = \[inf, 4, 1], "adapter.rank" = \[2, 4] }

    Keys of \[grid] are combined with each other; those of a [\[zip]] go together; [\[cells]] have names of their own.
    \[budget] holds memory-gib, run-gib (what the first run of its kind may take) and processes.
    """
    from simulations.run.progress import RunProgress
    from simulations.sweeps.beside import measure_beside
    from simulations.sweeps.catalogue import find_sweep, sweep_descriptions
    from simulations.sweeps.running import SweepSettings, check_sweep, in_budget, run_sweep

    if named == "help":
        for name, description in sweep_descriptions().items():
            out.print(f"[bold]{name}[/bold]  {description}", highlight=False)
        return
    with explained_here(GOES_ON), RunProgress(out) as shown:
        definition = _chosen(find_sweep(named), cells=cells, seeds=seeds, smoke=smoke)
        changes = dict(parse_assignment(text) for text in assignments or ())
        directory = out_directory or Path("runs") / (Path(named).stem + ("-smoke" if smoke else ""))
        if dry:
            check_sweep(definition, changes)
            _list(definition)
            return
        runs = len(definition.cells) * len(definition.seeds)
        with shown.stage(f"{len(definition.cells)} cells, {len(definition.seeds)} seeds", total=runs) as stage:
            last: list[SweepState | None] = [None]
            settings = SweepSettings(
                changes=changes,
                budget=in_budget(definition, processes=processes, memory_gib=memory_gib),
                ray=ray,
                command=shlex.join(["tacit-sim", *sys.argv[1:]]),
                progress=lambda done, total, name: stage.advance(
                    done, f"{done} of {total}: {name} is done{time_left(last[-1])}"
                ),
                watch=lambda state: _watch(stage, state, last),
            )
            run_sweep(definition, directory, settings)
        out.print(f"figures: {directory / 'sweep.csv'}", markup=False, highlight=False)
        beside = measure_beside(
            _wanted(definition, directory, settings, audits=audits, baselines=baselines, smoke=smoke), shown=shown
        )
        if report:
            from simulations.report.writing import write_report

            written = write_report([directory], directory)
            out.print(f"report: {written}", markup=False, highlight=False)
    for failure in beside.failed:
        err.print(f"error: {failure}", markup=False, highlight=False, soft_wrap=True)
    if beside.failed:
        err.print("the others stand, and the same command measures what is missing")
    if beside.broken:
        out.print(f"[bold red]claims that do not hold: {', '.join(beside.broken)}[/bold red]", highlight=False)
    if beside.broken or beside.failed:
        raise typer.Exit(1)


def _wanted(
    definition: SweepDefinition,
    directory: Path,
    settings: SweepSettings,
    *,
    audits: str | None,
    baselines: bool,
    smoke: bool,
) -> Wanted:
    """Audits and baselines of the first seed; a smoke sweep's are small, too."""
    from simulations.audits.registry import SMALL, AuditSettings, AuditSizes, names_of
    from simulations.baselines.rows_file import SMALL_BUDGET, Budget
    from simulations.sweeps.beside import Wanted

    first = definition.seeds[0]
    runs = {name: directory / f"{name}-{first}" for name in definition.cells}
    return Wanted(
        runs={} if audits is None else runs,
        audits=() if audits is None else names_of(None if audits == "all" else audits),
        settings=AuditSettings(seed=first, sizes=SMALL if smoke else AuditSizes()),
        ceiling=next(iter(runs.values())) if baselines else None,
        budget=SMALL_BUDGET if smoke else Budget(),
        processes=settings.budget.processes,
        command=settings.command,
    )


def _chosen(definition: SweepDefinition, *, cells: str | None, seeds: int | None, smoke: bool) -> SweepDefinition:
    from dataclasses import replace

    if smoke:
        if definition.smoke is None:
            raise ConfigError("--smoke: this sweep has no small form: give its file a table [smoke]")
        definition = definition.smoke
    names = definition.default_cells if cells is None else [name.strip() for name in cells.split(",")]
    chosen = definition.only(names)
    return chosen if seeds is None else replace(chosen, seeds=tuple(range(seeds)))


def _list(definition: SweepDefinition) -> None:
    for name, cell in definition.cells.items():
        said = ", ".join(f"{key} = {value}" for key, value in cell.swept.items())
        out.print(f"[bold]{name}[/bold]  {said}", highlight=False)
    runs = len(definition.cells) * len(definition.seeds)
    out.print(f"{runs} runs: {len(definition.cells)} cells, seeds {', '.join(map(str, definition.seeds))}")


def _watch(stage: Stage, state: SweepState, last: list[SweepState | None]) -> None:
    last[0] = state
    show_state(stage, state)
