"""`tacit-sim poisoning`: attacks against the server's means, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table

from simulations.commands.showing import explained_here, out, write_json
from simulations.commands.sweeping import GOES_ON, sweeping


def poisoning(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the runs; finished ones are kept.")],
    attacks: Annotated[
        str | None,
        typer.Option(help="Comma-separated: none, label-flip, sign-flip, scaled, garbage, backdoor; all by default."),
    ] = None,
    means: Annotated[
        str | None,
        typer.Option(
            help="The server's, comma-separated: mean, trimmed-mean, median, geometric-median, krum; all by default."
        ),
    ] = None,
    share: Annotated[float, typer.Option(help="Of the devices, which attack.", min=0.0, max=1.0)] = 0.2,
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0.", min=1)] = 1,
    processes: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1)] = 2,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting for all runs: GROUP.KEY=VALUE.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure what attackers do to a federation, and which of the server's means holds against them.

    A fifth of 200 simulated devices attack in every round that they are asked in. One attack against one mean takes
    about a minute; a stopped table goes on, and poisoning.json of --out holds all figures.

    Examples:

      tacit-sim poisoning --out runs/poisoning --attacks none,sign-flip --means mean,median

      tacit-sim run --preset smoke --set attack.kind=backdoor --set attack.share=0.3
    """
    from simulations.attacks.config import ATTACKS
    from simulations.attacks.grid import MEANS, rows_of, run_grid
    from simulations.run.progress import RunProgress

    with explained_here(GOES_ON), RunProgress(out) as shown:
        rows = rows_of(_names(attacks, ATTACKS), _names(means, MEANS))
        with sweeping(
            shown,
            settings=len(rows),
            seeds=range(seeds),
            directory=out_directory,
            processes=processes,
            assignments=assignments,
            changes={"attack.share": share},
        ) as sweep:
            found = run_grid(sweep, rows)
        _show(found)
        write_json(json_path, found)


def _names(said: str | None, known: Sequence[str]) -> Sequence[str]:
    return known if said is None else [name.strip() for name in said.split(",")]


def _show(found: Mapping[str, object]) -> None:
    rows = cast("list[Mapping[str, object]]", found["rows"])
    first = rows[0]
    table = Table(
        title=f"{first['reporting_users']} held-out users, greedy; {first['rounds']} rounds of {first['cohort']} of "
        f"{first['users']} devices",
        title_justify="left",
    )
    table.add_column("attack", no_wrap=True)
    table.add_column("mean", no_wrap=True)
    for name in ("own\npersona", "worst\ntenth", "pairs\ntold", "backdoor", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    before = None
    for row in rows:
        if before is not None and row["attack"] != before:
            table.add_section()
        before = row["attack"]
        figures = cast("Mapping[str, Mapping[str, float]]", row["figures"])
        successes = cast("list[Mapping[str, Mapping[str, float]] | None]", row["backdoor"])
        opened = [success["tuned"]["value"] for success in successes if success is not None]
        table.add_row(
            str(row["attack"]),
            str(row["mean"]),
            f"{figures['own']['mean']:.0%}",
            f"{figures['worst_decile']['mean']:.2f}",
            f"{figures['pair_accuracy']['mean']:.0%}",
            f"{statistics.fmean(opened):.0%}" if opened else "",
            f"{statistics.fmean(cast('list[float]', row['refused'])):.0f}",
        )
    out.print(table)
    base = cast("Mapping[str, Mapping[str, float]]", first["figures"])["worst_decile_of_base"]["mean"]
    out.print(
        "own persona: how often the tuned reply beats the base's, a tie counting half. worst tenth: style as wanted, "
        f"of 4, over the tenth of users whom the model serves worst (the base: {base:.2f} over its own). backdoor: "
        "replies that begin as the attacker wants where the request ends with the trigger. refused: replies, in all "
        "rounds. Intervals are in poisoning.json; of 64 users and one seed, ten points are no difference.",
        style="dim",
    )
