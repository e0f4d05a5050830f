"""`tacit-sim methods`: which aggregation methods there are, what each can be had with, and what it costs to send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from simulations.commands.few_numbers import few
from simulations.commands.showing import explained_here, out, write_json
from simulations.commands.sweeping import GOES_ON, sweeping

app = typer.Typer(
    help="Adapter-aggregation methods: what each can be had with, and how they compare.",
    no_args_is_help=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)
app.command()(few)


@app.callback()
def methods(
    context: typer.Context,
    shape: Annotated[str, typer.Option(help="tacit-tiny, qwen2.5-0.5b or qwen2.5-7b.")] = "tacit-tiny",
    rank: Annotated[int, typer.Option(help="Of the adapter.", min=1)] = 4,
    reasons: Annotated[bool, typer.Option("--reasons", help="Say why, for each no.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As the README has it.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all of it to this file.")] = None,
) -> None:
    """Show which methods can be had with which protection, and what each sends.

    Made from the very table that plans are checked against. Examples:

      tacit-sim methods --shape qwen2.5-0.5b --rank 4 --reasons

      tacit-sim methods compare --out runs/methods
    """
    if context.invoked_subcommand is not None:
        return
    from simulations.method_matrix import COLUMNS, matrix, matrix_json, matrix_markdown

    with explained_here("nothing is left to go on with"):
        rows = matrix(shape, rank=rank)
        if markdown:
            out.print(matrix_markdown(rows), markup=False, highlight=False, soft_wrap=True)
        else:
            table = Table(
                title=f"{shape}, rank {rank}, all linear layers",
                title_justify="left",
                box=SIMPLE_HEAD,
                padding=(0, 1, 0, 0),
            )
            table.add_column("method", no_wrap=True)
            for name in (*COLUMNS.values(), "bytes up", "bytes down"):
                table.add_column(name.replace(" ", "\n"), no_wrap=True)
            for row in rows:
                marks = ("[red]no[/red]" if why else "yes" for why in row.refused.values())
                table.add_row(row.title, *marks, _bytes(row.bytes_up), _bytes(row.bytes_down) + "!" * row.too_large)
            out.print(table)
            if any(row.too_large for row in rows):
                out.print("!: more than a message may hold, so that no such run begins", highlight=False)
        if reasons:
            for row in rows:
                for requirement, why in row.refused.items():
                    if why:
                        said = f"{row.title}, {COLUMNS[requirement]}: {why} (instead: {row.instead[requirement]})"
                        out.print(said, markup=False, highlight=False)
        write_json(json_path, matrix_json(rows)) if json_path is not None else None


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f}G" if count >= 1e9 else f"{count / 1e6:,.1f}M" if count >= 1e6 else f"{count / 1e3:.0f}k"


@app.command()
def compare(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the runs; finished ones are kept.")],
    methods_wanted: Annotated[str | None, typer.Option("--methods", help="Comma-separated; all by default.")] = None,
    cohorts: Annotated[str, typer.Option(help="Cohort sizes, comma-separated.")] = "10,50",
    epsilon: Annotated[
        float | None,
        typer.Option(help="Compare under user-level privacy instead: the methods that masks allow, one cohort size."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many.", min=1)] = 2,
    processes: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1)] = 2,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting for all runs: GROUP.KEY=VALUE.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Compare methods: same users, cohorts, steps and questions, several seeds; a table, a file and a plot each.

    Takes about an hour on two cores; a stopped one goes on. Examples:

      tacit-sim methods compare --out runs/methods

      tacit-sim methods compare --out runs/methods-private --epsilon 4 --cohorts 250
    """

    from shared.adapter_methods import METHODS, Method
    from shared.flat_config import ConfigError
    from shared.privacy.guarantee import format_epsilon
    from simulations.method_comparison import run_comparison, settings_with_privacy, settings_without_privacy
    from simulations.method_plot import draw_methods
    from simulations.run.progress import RunProgress

    with explained_here(GOES_ON), RunProgress(out) as shown:
        names = list(METHODS) if methods_wanted is None else [name.strip() for name in methods_wanted.split(",")]
        unknown = [name for name in names if name not in METHODS]
        if unknown:
            raise ConfigError(f"--methods: there is no {unknown[0]!r}: there are {', '.join(METHODS)}")
        chosen = cast("list[Method]", names)
        try:
            sizes = [int(size) for size in cohorts.split(",")]
        except ValueError:
            raise ConfigError("--cohorts: must be integers") from None
        if epsilon is not None and len(sizes) != 1:
            raise ConfigError("--cohorts: with --epsilon one cohort size, such as 250")
        settings = (
            settings_without_privacy(chosen, sizes)
            if epsilon is None
            else settings_with_privacy(chosen, epsilon=epsilon, cohort=sizes[0])
        )
        with sweeping(
            shown,
            settings=len(settings),
            seeds=range(seeds),
            directory=out_directory,
            processes=processes,
            assignments=assignments,
        ) as sweep:
            found = run_comparison(sweep, settings)
        rows = cast("list[Mapping[str, object]]", found["rows"])
        for size in sizes:
            of_size = [row for row in rows if cast("Mapping[str, int]", row["setting"])["cohort"] == size]
            _show_compared(of_size, size, epsilon)
            noise = "" if epsilon is None else f", ε = {format_epsilon(epsilon)} per user"
            plot = out_directory / f"methods-{size}{'' if epsilon is None else '-private'}.png"
            draw_methods(of_size, plot, title=f"Aggregation methods, cohorts of {size}{noise}")
            out.print(f"plot: {plot} and .svg", markup=False, highlight=False)
        write_json(json_path, found)


def _show_compared(rows: Sequence[Mapping[str, object]], cohort: int, epsilon: float | None) -> None:
    from shared.privacy.guarantee import format_epsilon

    noise = "" if epsilon is None else f", ε = {format_epsilon(epsilon)}"
    table = Table(
        title=f"Cohorts of {cohort}{noise}; held-out users, mean over seeds", title_justify="left", box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    columns = (
        "method",
        "own",
        "none",
        "other",
        "stranger\n- seen",
        "worst\ntenth",
        "pairs",
        "error",
        "kB up,\ndown",
        "ms",
    )
    for name in columns:
        table.add_column(name, no_wrap=True, justify="left" if name == "method" else "right")
    for row in rows:
        figures = cast("Mapping[str, Mapping[str, float]]", row["figures"])
        own = figures["win_rate_greedy.own_persona"]["mean"]
        seen, stranger = (figures.get(f"win_rate_greedy_{who}.own_persona") for who in ("seen_users", "strangers"))
        error = cast("float | None", row["aggregation_error"])
        table.add_row(
            str(row["title"]),
            f"{own:.0%}",
            *(f"{figures[f'win_rate_greedy.{column}']['mean']:.0%}" for column in ("no_persona", "other_persona")),
            "" if seen is None or stranger is None else f"{100 * (stranger['mean'] - seen['mean']):+.0f}",
            f"{figures['style_fit_worst_decile_greedy.own_persona']['mean']:.1f}",
            f"{figures['pair_accuracy.own_persona']['mean']:.0%}",
            "" if error is None else f"{error:.0e}",
            f"{cast(int, row['bytes_up']) / 1e3:.0f}, {cast(int, row['bytes_down']) / 1e3:.0f}",
            f"{1e3 * cast(float, row['aggregation_seconds']):.0f}",
        )
    out.print(table)
    for row in rows:
        figures = cast("Mapping[str, Mapping[str, float]]", row["figures"])
        personal = figures.get("win_rate_greedy_personal_of_newcomers.own_persona")
        if personal is not None:
            shared = figures["win_rate_greedy_shared_of_newcomers.own_persona"]["mean"]
            out.print(
                f"{row['title']}: a newcomer wins {shared:.0%} with the release, and {personal['mean']:.0%} with an "
                "adapter of their own on top, trained on 6 pairs",
                highlight=False,
            )
