"""`tacit-sim report`: one page about finished runs and sweeps, and their plots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulations.commands.showing import explained_here, out


def report(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN_OR_SWEEP...", help="Directories of runs and sweeps.")],
    out_directory: Annotated[
        Path | None, typer.Option("--out", help="Directory of the report; the one path itself, or report/.")
    ] = None,
    comparing: Annotated[
        bool, typer.Option("--compare", help="Put two side by side, and say which differences exceed noise.")
    ] = False,
) -> None:
    """Write report.html, one page that needs nothing else, and its plots as PNG and SVG below plots/.

    It holds what is promised, what was learned, the frontier of privacy and utility, win rates by round (of runs with
    evaluation.by-round), people one by one with the worst-served tenth, audits, and what rounds took; each with its
    numbers and how to make it again. Of a sweep that goes on, it holds what is finished.

    Examples:

      tacit-sim report runs/demo

      tacit-sim report runs/frontier

      tacit-sim report runs/demo runs/strong --compare --out runs/compared
    """
    from simulations.report.writing import write_report

    with explained_here("nothing is left to go on with"):
        directory = out_directory or (paths[0] if len(paths) == 1 else Path("report"))
        written = write_report(paths, directory, comparing=comparing)
        out.print(f"report: {written}; plots: {written.parent / 'plots'}", markup=False, highlight=False)
