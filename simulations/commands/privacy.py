"""`tacit-sim privacy` and `tacit-sim plan`: what a run's events come to, what noise costs, and what has a chance."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from shared.adapter_methods import METHODS, Method
from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out, write_json
from simulations.commands.sweeping import GOES_ON, sweeping

if TYPE_CHECKING:
    from simulations.noise_plan import SizeOption

app = typer.Typer(
    help="What a run's events come to, and what privacy leaves of the gain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def verify(
    ledger: Annotated[Path, typer.Argument(help="ledger.jsonl of a run's directory, or of a device.")],
    delta: Annotated[float, typer.Option(help="For a device's ledger, which has none of its own.")] = 1e-6,
) -> None:
    """Work out ε again from a ledger's raw events, by a second accountant where it can. Exit 1: they differ.

    Example:

      tacit-sim privacy verify runs/demo/ledger.jsonl
    """
    from shared.privacy.guarantee import format_delta, format_epsilon
    from simulations.run.ledger_check import check_device_ledger, check_run_ledger, is_device_ledger

    with explained_here("nothing is left to go on with"):
        if not ledger.is_file():
            raise ConfigError(f"there is no ledger {ledger}")
        if not 0 < delta < 1:
            raise ConfigError("--delta: must be between 0 and 1")
        if is_device_ledger(ledger):
            count, user, pair = check_device_ledger(ledger, delta=delta)
            out.print(
                f"a device's ledger, whole: {count} answers; at δ = {format_delta(delta)} "
                f"ε = {format_epsilon(user)} per "
                f"user and {format_epsilon(pair)} per pair, each by itself",
                highlight=False,
            )
            return
        found = check_run_ledger(ledger)
        out.print(
            f"the chain is whole: {found.devices} devices, {found.requests} requests to cohorts, "
            f"{found.releases} releases",
            highlight=False,
        )
        for given in found.guarantees:
            out.print(given.sentence(), markup=False, highlight=False)
        if not found.guarantees:
            out.print("the run protects neither users nor pairs: there is no ε", highlight=False)
        table = Table()
        for name in ("unit", "against", "ε stated", "second accountant", "ε again", ""):
            table.add_column(name)
        for check in found.checks:
            again = "does not know the event" if check.again is None else format_epsilon(check.again)
            verdict = "agrees" if check.agrees else "[bold red]DIFFERS[/bold red]"
            table.add_row(check.unit, check.observer, format_epsilon(check.epsilon), check.by, again, verdict)
        if found.checks:
            out.print(table)
        if not all(check.agrees for check in found.checks):
            raise typer.Exit(1)


@app.command()
def utility(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the runs; finished ones are kept.")],
    rows: Annotated[str | None, typer.Option(help="Comma-separated; all by default. `--rows help` lists them.")] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated, or a count of seeds from 0.")] = "3",
    processes: Annotated[int, typer.Option(help="Runs side by side, one thread each.", min=1)] = 2,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting for all runs: GROUP.KEY=VALUE.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure what user-level privacy leaves of the gain: 10,000 and 1,000 simulated users, real cohorts.

    Takes hours; a stopped one goes on. Example:

      tacit-sim privacy utility --out runs/utility --rows 1k-none,1k-4 --seeds 1
    """
    from simulations.privacy_utility import ROWS, run_privacy_utility
    from simulations.run.progress import RunProgress

    by_name = {row.name: row for row in ROWS}
    if rows == "help":
        for name in by_name:
            out.print(name, highlight=False)
        return
    with explained_here(GOES_ON), RunProgress(out) as shown:
        names = list(by_name) if rows is None else [name.strip() for name in rows.split(",")]
        unknown = [name for name in names if name not in by_name]
        if unknown:
            raise ConfigError(f"there is no row {unknown[0]!r}: there are {', '.join(by_name)}")
        try:
            wanted = [int(part) for part in seeds.split(",")]
        except ValueError:
            raise ConfigError("--seeds: must be integers") from None
        if "," not in seeds:
            wanted = list(range(wanted[0]))
        with sweeping(
            shown,
            settings=len(names),
            seeds=wanted,
            directory=out_directory,
            processes=processes,
            assignments=assignments,
        ) as sweep:
            found = run_privacy_utility(sweep, [by_name[name] for name in names])
        _show_utility(found)
        write_json(json_path, found)


def _show_utility(found: Mapping[str, object]) -> None:
    table = Table(
        title="Held-out users, greedy; mean over seeds", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name in ("N", "n", "ε", "noise\nover C", "own", "none", "other", "worst\ntenth", "pairs\ntold", "gain kept"):
        table.add_column(name, justify="right")
    from shared.privacy.guarantee import format_epsilon

    for row in cast("list[dict[str, object]]", found["rows"]):
        guarantee = cast("dict[str, float] | None", row["guarantee"])
        figures = cast("dict[str, dict[str, float]]", row["figures"])
        kept = cast("dict[str, object] | None", row.get("retained_gain"))
        mechanism = cast("dict[str, str]", row["row"])["mechanism"]
        epsilon = "∞" if guarantee is None else format_epsilon(guarantee["epsilon_server"])
        table.add_row(
            f"{row['users']:,}",
            str(row["cohort"]),
            epsilon + ("\nDP-FTRL" if mechanism != "gaussian" else ""),
            f"{cast(float, row['noise_norm_over_clipping']):.2f}",
            *(
                f"{figures[f'win_rate_greedy.{column}']['mean']:.1%}"
                for column in ("own_persona", "no_persona", "other_persona")
            ),
            f"{figures['style_fit_worst_decile_greedy.own_persona']['mean']:.2f}",
            f"{figures['pair_accuracy.own_persona']['mean']:.1%}",
            "" if kept is None else f"{kept['value']:.0%}\n[{kept['low']:.0%}, {kept['high']:.0%}]\n{kept['verdict']}",
        )
    out.print(table)
    bases = [
        row["figures"]["style_fit_worst_decile_greedy.base"]["mean"]
        for row in cast("list[dict[str, dict[str, dict[str, float]]]]", found["rows"])
    ]
    out.print(
        "own, none, other: how often the tuned reply beats the base's, a tie counting half, by whose persona is "
        "stated. worst tenth: style as wanted, of 4, over the tenth of users whom the model serves worst (the base, "
        f"over its own: {statistics.fmean(bases):.2f}).",
        style="dim",
    )


def plan(
    users: Annotated[int, typer.Option(help="N, devices in the federation.", min=1)],
    epsilon: Annotated[float, typer.Option(help="The target, per user, against everyone.", min=1e-3)],
    cohort: Annotated[
        int | None, typer.Option(help="n, devices a round; by default all that the rounds allow.", min=1)
    ] = None,
    rounds: Annotated[int, typer.Option(help="T.", min=1)] = 12,
    participations: Annotated[int, typer.Option(help="P, rounds that each device may answer.", min=1)] = 1,
    delta: Annotated[float | None, typer.Option(help="δ; N^-1.1 by default.", min=1e-15, max=0.5)] = None,
    shape: Annotated[str, typer.Option(help="tacit-tiny, qwen2.5-0.5b or qwen2.5-7b.")] = "tacit-tiny",
    method: Annotated[str, typer.Option(help="How adapters are aggregated: see `tacit-sim methods`.")] = "ffa-lora",
    rank: Annotated[int, typer.Option(help="Of the adapter.", min=1)] = 4,
    modules: Annotated[
        str | None, typer.Option(help="Adapted modules, comma-separated (q_proj,v_proj); all by default.")
    ] = None,
    parameters: Annotated[int | None, typer.Option(help="d, numbers shared; instead of shape and rank.", min=1)] = None,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Say which mechanisms, methods and sizes have a chance at a target ε, before anyone spends a day.

    Example:

      tacit-sim plan --users 10000 --epsilon 1 --rounds 6 --shape qwen2.5-0.5b --rank 1
    """
    from dataclasses import asdict

    from shared.privacy.guarantee import format_delta, format_epsilon
    from simulations.model_shapes import shared_numbers
    from simulations.noise_plan import plan_noise, plan_sizes

    with explained_here("nothing is left to go on with"):
        names = None if modules is None else [name.strip() for name in modules.split(",")]
        d = parameters or shared_numbers(shape, rank=rank, method=cast("Method", method), modules=names).up
        _check_private(method)
        try:
            options = plan_noise(
                users=users,
                cohort=cohort or max(1, users * participations // rounds),
                rounds=rounds,
                participations=participations,
                epsilon=epsilon,
                delta=delta or users**-1.1,
                dimension=d,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        first = options[0]
        out.print(
            f"{users:,} devices, {rounds} rounds of {first.cohort}, each device in at most {participations}; {d:,} "
            f"numbers shared, {4 * d / 1000:,.0f} kB a round each way; δ = {format_delta(first.delta)}",
            highlight=False,
        )
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for name in ("mechanism", "z", "noise\nover C", "ε\neveryone", "ε\nmodels", "verdict", "n at\n0.5"):
            table.add_column(name, no_wrap=True)
        for option in options:
            table.add_row(
                option.name,
                f"{option.noise_multiplier:.3f}",
                f"{option.noise_norm:.2f}",
                format_epsilon(option.epsilon_everyone),
                format_epsilon(option.epsilon_model_observer),
                option.verdict,
                f"{option.cohort_needed:,}",
            )
        out.print(table)
        out.print(
            "noise over C: L2 norm of the noise on a round's mean update over the clipping norm; a cohort's own "
            "signal is 0.1 to 0.2. Verdicts are this embedded world's (README): another model's limit is another.",
            style="dim",
        )
        sizes = [] if parameters is not None else plan_sizes(options, shape=shape, dimension=d)
        if sizes:
            _show_sizes(sizes, shape)
        values = {"parameters": d, "options": [asdict(option) for option in options]}
        write_json(json_path, {**values, "sizes": [asdict(size) for size in sizes]})


def _check_private(method: str) -> None:
    facts = METHODS[cast("Method", method)]
    why = facts.refusal("user-privacy-central")
    if why is not None:
        instead = facts.instead(["user-privacy-central", "secure-aggregation"])
        raise ConfigError(f"--method: {method!r} cannot protect users: {why}. The nearest that can is {instead!r}")


def _show_sizes(sizes: Sequence[SizeOption], shape: str) -> None:
    table = Table(title=f"Noise over C by method and rank, on all linear layers of {shape}", title_justify="left")
    for name in ("method", "rank", "numbers\nshared", "trusted server", "under masks"):
        table.add_column(name, no_wrap=True)
    for size in sizes:
        masked = "too few devices" if size.masked is None else f"{size.masked:.2f} {size.masked_verdict}"
        central = f"{size.central:.2f} {size.central_verdict}"
        table.add_row(size.method, str(size.rank), f"{size.numbers:,}", central, masked)
    out.print(table)
