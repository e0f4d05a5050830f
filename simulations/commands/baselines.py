"""`tacit-sim baselines`: what a run is to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.table import Table

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out, write_json


def baselines(
    directory: Annotated[Path, typer.Argument(help="A finished run.")],
    only: Annotated[
        str | None,
        typer.Option(help="Comma-separated: base, local-only, central-dpo, central-sft, feddpo, ours; all by default."),
    ] = None,
    pairs: Annotated[
        int | None, typer.Option(min=1, help="That TRL trains on at most, drawn from everyone's; 3,000 by default.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Over them.")] = 1,
    rates: Annotated[
        str | None, typer.Option(help="Learning rates to choose from on tuning users; of recorded data, the first.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure the rows beside a run: the base model, training alone, TRL with everyone's pairs, FedAvg of DPO.

    TRL's own `DPOTrainer` and `SFTTrainer` train on all pairs in one place and without privacy; that is the ceiling.
    Rows are kept in baselines.json of the run, and a stopped command goes on with the others.

    Example:

      tacit-sim baselines runs/demo --only central-dpo,feddpo
    """
    from simulations.run.progress import RunProgress

    with explained_here("rows that are made stand, and the same command goes on with the others"):
        try:
            from simulations.baselines.rows import run_baselines
            from simulations.baselines.rows_file import NAMES, PAIRS, RATES, Budget
        except ModuleNotFoundError as error:
            raise ConfigError(f"{error.name} is not installed: pip install 'tacit[sim,bench]'") from None
        names = [name.strip() for name in only.split(",")] if only is not None else list(NAMES)
        for name in names:
            if name not in NAMES:
                raise ConfigError(f"--only: there is no row {name!r}: there are {', '.join(NAMES)}")
        try:
            chosen = RATES if rates is None else tuple(float(part) for part in rates.split(","))
        except ValueError:
            raise ConfigError("--rates: must be numbers") from None
        with RunProgress(out) as shown:
            found = run_baselines(
                directory,
                [name for name in NAMES if name in names],
                Budget(pairs=PAIRS if pairs is None else pairs, epochs=epochs, rates=chosen),
                shown=shown,
            )
        out.print(rows_view(found))
        for name, row in found.items():
            out.print(f"{name}: {row['about']}", style="dim", markup=False, highlight=False)
        write_json(json_path, {"rows": found})


def rows_view(rows: Mapping[str, Mapping[str, object]]) -> Table:
    """The rows as a table."""
    table = Table(title="On the users that the run was measured on", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("own\npersona", "no\npersona", "another's", "pairs told", "worst\ntenth"):
        table.add_column(name, justify="right")
    for name, row in rows.items():
        utility = cast("Mapping[str, Mapping[str, object]]", row["utility"])
        wins = utility.get("win_rate_greedy", {})
        table.add_row(
            name,
            _share(wins.get("own_persona"), wins.get("ci95")),
            _share(wins.get("no_persona")),
            _share(wins.get("other_persona")),
            _share(utility.get("pair_accuracy", {}).get("tuned"), utility.get("pair_accuracy", {}).get("ci95")),
            _number(utility.get("style_fit_worst_decile_greedy", {}).get("own_persona")),
        )
    return table


def _share(value: object, interval: object = None) -> str:
    if not isinstance(value, int | float):
        return ""
    if isinstance(interval, list):
        return f"{value:.0%} [{interval[0]:.0%}, {interval[1]:.0%}]"
    return f"{value:.0%}"


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else ""
