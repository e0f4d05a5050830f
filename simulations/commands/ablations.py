"""`tacit-sim ablate`: the whole of RLHI, and RLHI with one thing changed, over seeds."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from shared.command_line import parse_assignment
from simulations.commands.showing import explained_here, out, write_json


def ablate(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the runs; finished ones are kept.")],
    variants: Annotated[
        str | None, typer.Option(help="Comma-separated; all by default. `--variants help` lists them.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0.", min=1)] = 3,
    processes: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1)] = 2,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting for all variants: GROUP.KEY=VALUE.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Run the paper's ablations on the embedded world: the whole of RLHI, and RLHI with one thing changed.

    Example:

      tacit-sim ablate --out runs/ablations --seeds 3 --set evaluation.users=128
    """
    from simulations.rlhi.ablations import FULL, VARIANTS, run_ablations
    from simulations.run.progress import RunProgress

    if variants == "help":
        for name, variant in VARIANTS.items():
            out.print(f"[bold]{name}[/bold]  {variant.shown}", highlight=False)
        return
    with explained_here("finished runs stand, and the same command goes on with the others"), RunProgress(out) as shown:
        names = list(VARIANTS) if variants is None else [name.strip() for name in variants.split(",")]
        if names[0] != FULL and FULL in names:
            names = [FULL, *(name for name in names if name != FULL)]
        with shown.stage(f"{len(names)} variants, {seeds} seeds", total=len(names) * seeds) as stage:
            found = run_ablations(
                out_directory,
                names=names,
                seeds=range(seeds),
                changes=dict(parse_assignment(text) for text in assignments or ()),
                processes=processes,
                command=shlex.join(["tacit-sim", *sys.argv[1:]]),
                progress=lambda done, _total, name: stage.advance(done, f"{name} is done"),
            )
        _show_ablations(found)
        write_json(json_path, found)


def _show_ablations(found: Mapping[str, object]) -> None:
    variants = found["variants"]
    if not isinstance(variants, dict):
        return
    table = Table(
        title="Greedy replies: mean over seeds, lowest to highest", title_justify="left", box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    table.add_column("variant", no_wrap=True)
    headings = (
        "wins,\nown",
        "wins,\nnone",
        "wins,\nother",
        "own -\nother",
        "sense,\nnone",
        "style,\nof 4",
        "worst\ntenth",
    )
    for name in headings:
        table.add_column(name, justify="right", no_wrap=True)
    shares = (
        "win_rate_greedy_own",
        "win_rate_greedy_no",
        "win_rate_greedy_other",
        "own_minus_other",
        "coherent_greedy_no",
    )
    # A mean that rises may leave those behind who are served worst.
    styles = ("style_fit", "style_fit_worst_decile")
    for name, entry in variants.items():
        figures = entry["figures"]
        table.add_row(
            name,
            *(_spread(figures, key) for key in shares),
            *(_spread(figures, key, axes=True) for key in styles),
        )
    out.print(table)
    first = next(iter(variants.values()))["figures"]
    if first:
        out.print(
            "wins: how often the tuned reply beats the base's, a tie counting half; own, none, other: whose persona is "
            "stated. style: on how many of the four axes a reply is as its user wants it. The worst tenth are the "
            f"users whom a model serves worst, each model's own; the base: {first['style_fit_base']['mean']:.2f}, and "
            f"{first['style_fit_worst_decile_base']['mean']:.2f} of its own worst tenth.",
            style="dim",
        )
    for name, entry in variants.items():
        paper = f" (the paper: {entry['paper']})" if entry["paper"] else ""
        pairs = entry["figures"]["pairs"]["mean"] if entry["figures"] else 0
        out.print(f"{name}: {entry['shown']}, {pairs:.0f} pairs{paper}", markup=False, highlight=False)


def _spread(figures: Mapping[str, Mapping[str, object]], key: str, *, axes: bool = False) -> str:
    if key not in figures:
        return ""
    values = figures[key]["values"]
    if not isinstance(values, Sequence):
        return ""
    if axes:
        style = f"{figures[key]['mean']:.2f}"
        return style if len(values) < 2 else f"{style}\n{min(values):.1f}-{max(values):.1f}"
    mean = f"{figures[key]['mean']:.0%}"
    return mean if len(values) < 2 else f"{mean}\n{100 * min(values):.0f}-{100 * max(values):.0f}"
