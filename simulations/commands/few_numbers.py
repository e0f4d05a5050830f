"""`tacit-sim methods few`: how much is learned with few numbers shared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out, write_json
from simulations.commands.sweeping import GOES_ON, sweeping


def few(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the runs; finished ones are kept.")],
    sizes: Annotated[
        str | None, typer.Option(help="Comma-separated; all by default. `--sizes help` lists them.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 3,
    processes: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1)] = 2,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting for all runs: GROUP.KEY=VALUE.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Compare what few shared numbers learn with FFA-LoRA at rank 4, user by user, over seeds.

    Takes about a minute and a half a run. Example:

      tacit-sim methods few --out runs/few --seeds 5
    """
    from simulations.few_numbers import SIZES, run_few
    from simulations.run.progress import RunProgress

    by_name = {size.name: size for size in SIZES}
    if sizes == "help":
        for size in SIZES:
            out.print(f"[bold]{size.name}[/bold]  {size.title}", highlight=False)
        return
    with explained_here(GOES_ON), RunProgress(out) as shown:
        names = list(by_name) if sizes is None else [name.strip() for name in sizes.split(",")]
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise ConfigError(f"--sizes: there is no {unknown[0]!r}: there are {', '.join(by_name)}")
        with sweeping(
            shown,
            settings=len(names),
            seeds=range(seeds),
            directory=out_directory,
            processes=processes,
            assignments=assignments,
        ) as sweep:
            found = run_few(sweep, [by_name[name] for name in names])
        show_few(found)
        write_json(json_path, found)


def show_few(found: Mapping[str, object]) -> None:
    """Prints the table of `simulations.few_numbers.collect`."""
    from simulations.few_numbers import SHAPE, SIZES

    rows = cast("list[Mapping[str, object]]", found["rows"])
    table = Table(
        title=f"{rows[0]['reporting_users']} held-out users a seed, greedy; mean over seeds", title_justify="left",
        box=SIMPLE_HEAD, padding=(0, 1, 0, 0),
    )  # fmt: skip
    headings = ("", "numbers", "at 0.5B", "own", "other", "worst\ntenth", "pairs", "own, over\nFFA-LoRA's")
    for name in headings:
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    titles = {size.name: size.title for size in SIZES}
    for row in rows:
        figures = cast("Mapping[str, Mapping[str, float]]", row["figures"])
        over = cast("Mapping[str, float] | None", row.get("over_bar"))
        table.add_row(
            titles[cast("Mapping[str, str]", row["size"])["name"]]
            .replace(", basis", ",\nbasis")
            .replace(", dr", ",\ndr"),
            f"{row['shared_parameters']:,}",
            f"{cast('Mapping[str, int]', row['shared_at_shape'])[SHAPE]:,}",
            f"{figures['win_rate_greedy.own_persona']['mean']:.1%}",
            f"{figures['win_rate_greedy.other_persona']['mean']:.0%}",
            f"{figures['style_fit_worst_decile_greedy.own_persona']['mean']:.2f}",
            f"{figures['pair_accuracy.own_persona']['mean']:.0%}",
            ""
            if over is None
            else f"{100 * over['value']:+.1f}\n[{100 * over['low']:+.0f}, {100 * over['high']:+.0f}]",
        )
    out.print(table)
    out.print(
        f"at 0.5B: numbers shared of a model of {SHAPE}'s shape. own, other: how often the tuned reply beats the "
        "base's, a tie counting half. pairs: held-out ones told apart. over FFA-LoRA's: in points, the same users "
        "asked the same, with a 95% interval over users; few.json has it by seed.",
        style="dim",
    )
