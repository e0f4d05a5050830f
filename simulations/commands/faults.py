"""`tacit-sim faults`: kills in every phase of a round, and what has become of the run."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.table import Table

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out

if TYPE_CHECKING:
    from simulations.faults.grid import Cell, Outcome

_Name = TypeVar("_Name", bound=str)


def faults(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of faults.json; finished cells are kept.")],
    victims: Annotated[
        str | None,
        typer.Option(help="Comma-separated: superlink, executor, front-door, supernode, runner; all by default."),
    ] = None,
    phases: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: training, share, mask, confirm, reveal, aggregation, release; all by default."
        ),
    ] = None,
    devices: Annotated[int, typer.Option(help="Real devices, some 400 MB each.", min=4)] = 4,
) -> None:
    """Kill every process of a federation in every phase of a round, and check what is left.

    A server with TLS, enrolment and secure aggregation, and a few real devices, on loopback. Each cell is a run of two
    rounds of about a minute; the whole grid takes most of an hour, and a stopped one goes on. Exit 1: something was
    lost that must not be.

    Example:

      tacit-sim faults --out runs/faults --victims superlink,runner --phases mask
    """
    from simulations.faults.fleet import VICTIMS, Fleet
    from simulations.faults.grid import RESULT_FILE, Cell, read_outcomes, run_cells
    from simulations.faults.watch import PHASES
    from simulations.run.progress import RunProgress

    with explained_here("finished cells stand, and the same command goes on with the others"):
        wanted = [
            Cell(victim=None, phase=None),
            *(
                Cell(victim=victim, phase=phase)
                for victim in _names("--victims", victims, VICTIMS)
                for phase in _names("--phases", phases, PHASES)
            ),
        ]
        out_directory.mkdir(parents=True, exist_ok=True)
        found = read_outcomes(out_directory / RESULT_FILE)
        # Ends the processes that were started, as Ctrl-C does.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if any(cell.name not in found for cell in wanted):
            with (
                tempfile.TemporaryDirectory(prefix="tacit-faults-") as name,
                RunProgress(out) as shown,
                shown.stage("kills", total=len(wanted)) as stage,
                Fleet(Path(name), devices) as fleet,
            ):
                found = run_cells(
                    fleet, wanted, out_directory, ended=lambda cell, outcome: stage.advance(1, _line(cell, outcome))
                )
        _show(wanted, found)
        if any(found[cell.name].wrong for cell in wanted):
            raise typer.Exit(1)


def _names(option: str, said: str | None, known: Sequence[_Name]) -> Sequence[_Name]:
    names = list(known) if said is None else [name.strip() for name in said.split(",")]
    for name in names:
        if name not in known:
            raise ConfigError(f"{option}: there is no {name!r}: there are {', '.join(known)}")
    return [name for name in known if name in names]


def _line(cell: Cell, outcome: Outcome) -> str:
    return f"{cell.name}: {_said(outcome)}"


def _said(outcome: Outcome) -> str:
    if outcome.wrong:
        return "; ".join(outcome.wrong)
    replies, attempts = outcome.replies[-1], outcome.attempts[-1]
    again = "" if attempts == 1 else f", attempt {attempts}"
    return f"{replies} replies{again}, {outcome.seconds:.0f} s"


def _show(cells: Sequence[Cell], found: Mapping[str, Outcome]) -> None:
    table = Table(title="What was killed in the second round, and what became of the run", title_justify="left")
    phases = list(dict.fromkeys(cell.phase for cell in cells if cell.phase is not None))
    table.add_column("killed", no_wrap=True)
    for phase in phases:
        table.add_column(phase)
    for victim in dict.fromkeys(cell.victim for cell in cells if cell.victim is not None):
        row = {cell.phase: found[cell.name] for cell in cells if cell.victim == victim}
        table.add_row(victim, *(_said(row[phase]) if phase in row else "" for phase in phases))
    out.print(table)
    out.print(f"undisturbed: {_said(found['undisturbed'])}. {_LEGEND}", style="dim", highlight=False)


_LEGEND = (
    "Of each run: replies in the sum of the round that was disturbed, the attempt if not the first, and the seconds of "
    "both rounds; or what is wrong. Under `release` the process died while the first release was written."
)
