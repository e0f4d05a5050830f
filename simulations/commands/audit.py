"""`tacit-sim audit`: what attackers measure of a run, beside what it promises."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from shared.privacy.guarantee import format_epsilon, format_lower_bound
from simulations.commands.audit_figures import figure_tables
from simulations.commands.showing import explained_here, out, write_json

if TYPE_CHECKING:
    from simulations.audits.result import AuditResult
    from simulations.audits.run_audits import Audited

_COLOURS = {"holds": "green", "violated": "bold red", "measured": "yellow"}


def audit(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    only: Annotated[
        str | None,
        typer.Option(help="Comma-separated: canaries, one-run, membership, inversion, persona, transcript."),
    ] = None,
    canaries: Annotated[
        int | None, typer.Option(min=20, help="How many; by default as many as each audit needs to see half the noise.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that an audit draws.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run finished audits again.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Attack a finished run, and compare what is learned with what the run promises.

    An audit that finds more than is promised, at 99.9 % confidence over all that it tried, ends the command with
    status 1. One that finds less proves nothing: it has limits, which audit.json names. Results are kept in audit.json
    of the run's directory; a stopped audit goes on after the last one that was finished.

    Examples:

      tacit-sim run --preset smoke --epsilon 4 --out runs/private

      tacit-sim audit runs/private

      tacit-sim audit runs/private --only canaries --canaries 2000 --json canaries.json
    """
    from simulations.audits.registry import AuditSettings, names_of
    from simulations.audits.run_audits import run_audits
    from simulations.run.progress import RunProgress

    with explained_here("finished audits are kept, and the same command goes on with the others"):
        names = names_of(only)
        with RunProgress(out) as shown:
            audited = run_audits(
                directory,
                names,
                AuditSettings(canaries=canaries, seed=seed),
                command=shlex.join(["tacit-sim", *sys.argv[1:]]),
                overwrite=overwrite,
                shown=shown,
            )
        _show(audited)
        write_json(
            json_path,
            {"results": [one.to_json() for one in audited.results], "not_applicable": audited.not_applicable},
        )
    if audited.is_violated:
        out.print("[bold red]a claim of this run does not hold[/bold red]", highlight=False)
        raise typer.Exit(1)


def _show(audited: Audited) -> None:
    if audited.results:
        out.print(_table(audited.results))
        for table in figure_tables(audited.results):
            out.print(table)
        for number, one in enumerate(audited.results, start=1):
            out.print(f"{number}  who: {one.observer}.", markup=False, highlight=False)
    for name, reason in audited.not_applicable.items():
        out.print(f"{name}: nothing to audit: {reason}", markup=False, highlight=False)
    out.print(
        "An ε at least that is below the claim proves nothing: audit.json says for each audit how it was found, and "
        "what it cannot show.",
        style="dim",
    )


def _table(results: Sequence[AuditResult]) -> Table:
    table = Table(title="what attackers measured", title_justify="left")
    for name in ("", "audit", "unit"):
        table.add_column(name, no_wrap=True)
    for name in ("ε\nclaimed", "ε\nat least", "ε\nlikely", "canaries"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for number, one in enumerate(results, start=1):
        table.add_row(
            str(number),
            one.name,
            one.unit or "",
            "" if one.claim is None else format_epsilon(one.claim),
            "" if one.lower_bound is None else format_lower_bound(one.lower_bound),
            "" if one.estimate is None else format_epsilon(one.estimate),
            "" if one.canaries is None else f"{one.canaries:,}",
            Text(one.verdict, style=_COLOURS[one.verdict]),
        )
    return table
