"""`tacit-sim`: what a researcher types.

PyTorch and the rest are imported by the commands that use them, so that `--help` answers at once.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import run_script, settings
from shared.flat_config import ConfigError
from simulations.commands.ablations import ablate
from simulations.commands.audit import audit
from simulations.commands.baselines import baselines
from simulations.commands.data import app as data_app
from simulations.commands.evaluate import app as evaluate_app
from simulations.commands.faults import faults
from simulations.commands.methods import app as methods_app
from simulations.commands.outside import benchmarks, files
from simulations.commands.poisoning import poisoning
from simulations.commands.privacy import app as privacy_app
from simulations.commands.privacy import plan
from simulations.commands.reports import report
from simulations.commands.showing import err, explained_here, out
from simulations.commands.stages import follow_ups, injections, screening
from simulations.commands.sweep import sweep

app = typer.Typer(
    help="Simulate federations that learn from each person's own conversations, and measure what they gain.",
    no_args_is_help=True,
    add_completion=False,
    # Rich tracebacks would print local variables, which may be a person's words.
    pretty_exceptions_enable=False,
)
for compares in (files, benchmarks, screening, injections):
    evaluate_app.command()(compares)
evaluate_app.command("follow-ups")(follow_ups)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(data_app, name="data")
app.command()(sweep)
app.command()(report)
app.command()(ablate)
app.command()(audit)
app.command()(baselines)
app.command()(poisoning)
app.command()(faults)
app.add_typer(methods_app, name="methods")
app.add_typer(privacy_app, name="privacy")
app.command()(plan)


@app.command()
def run(
    preset: Annotated[str | None, typer.Option(help="A named configuration: see `tacit-sim presets`.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file of settings; any run's config.toml makes that run again.")
    ] = None,
    out_directory: Annotated[
        Path | None, typer.Option("--out", help="Directory for the results; by default a new one below runs/.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out after its last round.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start the run in --out anew.")] = False,
    data: Annotated[
        str | None, typer.Option(help="Whose pairs: embedded, mtbench-human, realhumaneval or jsonl.")
    ] = None,
    path: Annotated[str | None, typer.Option(help="Where recorded data lies.")] = None,
    users: Annotated[int | None, typer.Option(min=1, help="How many users take part.")] = None,
    cohort: Annotated[int | None, typer.Option(help="How many devices are asked in a round.")] = None,
    rounds: Annotated[int | None, typer.Option(help="How many rounds.")] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Protect every user with this ε against everyone but the server.")
    ] = None,
    aggregation: Annotated[
        str | None, typer.Option(help="plain, or secure: under masks, so that the server learns the sum alone.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="tacit-tiny, a Hugging Face name, or a directory.")] = None,
    method: Annotated[str | None, typer.Option(help="How adapters are aggregated: see `tacit-sim methods`.")] = None,
    rank: Annotated[int | None, typer.Option(help="Of the LoRA adapter.")] = None,
    engine: Annotated[str | None, typer.Option(help="inline, ray or deployed.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="That train side by side.")] = None,
    address: Annotated[
        str | None, typer.Option(help="With --engine ray: HOST:PORT of a Ray cluster that this machine has joined.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting: GROUP.KEY=VALUE. May be repeated.")
    ] = None,
) -> None:
    """Run a federation and measure it on users it never saw.

    Settings come from the defaults, then --preset, then --config, then the other flags; what they came to is in
    config.toml of the results, where every key can be seen. With neither preset nor config, the preset that fits the
    data is taken.

    Examples:

      tacit-sim run --preset demo --out runs/demo

      tacit-sim run --data jsonl --path pairs.jsonl --rounds 6 --out runs/mine

      tacit-sim run --resume --out runs/mine

      tacit-sim run --preset demo --engine ray --address 10.0.0.1:6379 --out runs/cluster
    """
    from simulations.run.config import RunConfig, preset_for, read_preset, without_masks
    from simulations.run.progress import RunProgress
    from simulations.run.run import resume_run, start_run

    with explained_here("finished rounds stand, and `tacit-sim run --resume --out DIR` goes on with them"):
        base = read_preset(preset) if preset is not None else {}
        if aggregation == "plain":
            base = without_masks(base)
        layers = settings(
            preset=base,
            config=config,
            assignments=assignments,
            flags={
                "data.source": data,
                "data.path": path,
                "data.users": users,
                "federation.cohort-size": cohort,
                "federation.rounds": rounds,
                "run.epsilon": epsilon,
                "federation.aggregation": aggregation,
                "model.name": model,
                "adapter.method": method,
                "adapter.rank": rank,
                "run.engine": engine,
                "run.processes": processes,
                "run.ray-address": address,
                "federation.seed": seed,
                "adapter.seed": seed,
                "data.seed": seed,
                "evaluation.seed": seed,
            },
        )
        if resume and overwrite:
            raise ConfigError("--resume and --overwrite contradict each other")
        if resume and out_directory is None:
            raise ConfigError("--resume goes on with the run in --out: name its directory")
        if preset is None and config is None and not resume:
            preset = preset_for(str(layers.get("data.source", "embedded")))
            if preset is not None:
                out.print(f"settings: preset {preset}, which fits this data, then yours", highlight=False)
                layers = {**read_preset(preset), **layers}
        name = f"{preset or 'run'}-{time.strftime('%Y%m%d-%H%M%S')}"
        directory = out_directory or Path("runs") / name
        command = shlex.join(["tacit-sim", *sys.argv[1:]])
        with RunProgress(out) as shown:
            if resume:
                summary, was_unfinished = resume_run(directory, layers, shown=shown)
                if not was_unfinished:
                    shown.say(f"{directory} is finished: nothing to do")
            else:
                made = RunConfig.from_flat(layers)
                summary = start_run(made, directory, overwrite=overwrite, command=command, shown=shown)
        _show(summary, directory)
        if find_spec("matplotlib") is None:
            out.print("no report.html: it needs Matplotlib (pip install 'tacit[sim]')", highlight=False)
        else:
            from simulations.report.writing import write_report

            out.print(f"report: {write_report([directory], directory)}", markup=False, highlight=False)


@app.command()
def show(directory: Annotated[Path, typer.Argument(help="A finished run.")]) -> None:
    """Print the table of a finished run again."""
    from server.releases import ReleaseError
    from simulations.run.directory import RunFiles

    with explained_here("nothing is left to go on with"):
        summary = RunFiles(directory).read_summary()
        if summary is None:
            raise ReleaseError(f"{directory} holds no finished run")
        _show(summary, directory)


@app.command()
def presets() -> None:
    """List the named configurations."""
    from simulations.run.config import preset_descriptions

    for name, description in preset_descriptions().items():
        out.print(f"[bold]{name}[/bold]  {description}")


@app.command("pretrain")
def pretrain_command(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the model; a killed run goes on there.")],
    seed: Annotated[int, typer.Option(help="Of examples, weights and order.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Optimizer steps; other than the default makes another model.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Of PyTorch.")] = 2,
) -> None:
    """Make tacit-tiny, the embedded world's base model, from nothing."""
    from simulations.pretrain import pretrain
    from simulations.pretraining.progress import live_progress
    from simulations.pretraining.recipe import PretrainConfig

    default = PretrainConfig(seed=seed, threads=threads)
    with explained_here("the same command goes on from its last checkpoint"), live_progress(out) as progress:
        pretrain(default if steps is None else replace(default, steps=steps), out_directory, progress)
    out.print(f"the model and its card are in {out_directory}", highlight=False)


_BENCHMARKS = {
    "aggregate": "aggregate",
    "deployment": "deployment",
    "device": "device",
    "dpo-step": "dpo_step",
    "fleet": "fleet",
    "generate": "generate",
    "import-speed": "import_speed",
    "memory": "memory",
    "pair-making": "pair_making",
    "privacy": "privacy",
    "scaling": "scaling",
    "secagg": "secagg",
    "serve": "serve",
    "simulate": "simulate",
    "vault": "vault",
}


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(_BENCHMARKS)}.")],
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
    chats: Annotated[
        Path | None,
        typer.Option(
            help="For deployment: RealHumanEval's directory, with conversations.jsonl.gz.", envvar="TACIT_CHATS"
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="For deployment: run what pip installs anew, and time that, too.")
    ] = False,
) -> None:
    """Measure speed and memory against a peer, as ratios within one run.

    aggregate: what aggregating 100 adapters of a 7B model costs the server, by method, beside a dense SVD.
    deployment: a real server and five real devices: time, bytes, ε, memory (needs --chats; ten minutes).
    device: memory and time of answering, making pairs and a private round, on an edge device and at 0.5B.
    dpo-step: the private step against TRL's non-private one.
    fleet: how many polling devices one real server bears, and what a round with all of them costs it (some minutes).
    generate: replies per second, batched against one by one and against transformers' own generate.
    import-speed: what importing a 1 GB export takes, beside json.load.
    memory: the peak of a device's round, of the server with 10 to 1,000 updates, of a simulation with a million users.
    pair-making: reward pairs per second, batched against one by one.
    privacy: what user-level privacy and its ledgers add to a round.
    scaling: how time and memory grow with users, cohort, d and sequence length.
    secagg: what secure aggregation costs a device and the server, beside Flower's SecAgg+.
    serve: latency of `tacit serve` against transformers' own generate.
    simulate: client updates per second of the engines, beside Flower's Ray runtime and Apple's pfl.
    vault: conversations written and read, beside plain SQLite with the same schema.

    A peer that is not installed is skipped by name.

    Examples:

      tacit-sim bench simulate --json simulate.json

      tacit-sim bench memory
    """
    with explained_here("nothing is left to go on with"):
        if name not in _BENCHMARKS:
            raise ConfigError(f"there is no benchmark {name!r}: there are {', '.join(_BENCHMARKS)}")
        try:
            module = import_module(f"simulations.benchmarks.{_BENCHMARKS[name]}")
        except ModuleNotFoundError as error:
            raise ConfigError(f"{error.name} is not installed: pip install 'tacit[sim,bench]'") from None

        def say(line: str) -> None:
            out.print(line, markup=False, highlight=False)

        if name == "deployment":
            from simulations.benchmarks.fresh_install import install_fresh

            report = module.run(json_path, chats=chats, install=install_fresh if fresh else None, progress=say)
        else:
            report = module.run(json_path, progress=say)
        for label, ratio in report["ratios"].items():
            out.print(f"[bold]{ratio:6.2f}x[/bold]  {label}", highlight=False)


def _show(summary: Mapping[str, object], directory: Path) -> None:
    from simulations.run.table import summary_view

    out.print()
    out.print(summary_view(summary))
    adapter = "the adapter loads with PeftModel.from_pretrained"
    out.print(f"\nresults: {directory} ({adapter})", markup=False, highlight=False)


def main() -> None:
    """The console script."""
    run_script(app, err)
