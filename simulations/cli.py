"""`tacit-sim`: what a researcher types."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol, get_args

import typer
from rich.console import Console

from client.device import DeviceError
from server.releases import ReleaseError
from server.roster import RosterError
from server.rounds import TooFewRepliesError
from shared.adapter import AdapterError
from shared.chat_format import ChatTemplateError
from shared.command_line import quiet_libraries
from shared.flat_config import ConfigError
from shared.language_model import LanguageModelError
from shared.preference_files import PreferenceFileError
from simulations.benchmarks import dpo_step, federation
from simulations.engines.deployed import DeploymentError
from simulations.engines.ray import RayMissingError
from simulations.pretrain import CheckpointMismatchError, pretrain
from simulations.pretraining.progress import live_progress
from simulations.pretraining.recipe import PretrainConfig
from simulations.run.config import (
    Engine,
    RunConfig,
    Source,
    parse_assignment,
    preset_descriptions,
    read_preset,
    read_toml,
)
from simulations.run.directory import RunFiles
from simulations.run.progress import RunProgress
from simulations.run.run import resume_run, start_run
from simulations.run.table import summary_view

_EXPECTED = (
    AdapterError,
    ChatTemplateError,
    CheckpointMismatchError,
    ConfigError,
    DeploymentError,
    DeviceError,
    LanguageModelError,
    OSError,
    PreferenceFileError,
    RayMissingError,
    ReleaseError,
    RosterError,
    TooFewRepliesError,
)

app = typer.Typer(
    help="Simulate federations that learn from each person's own conversations, and measure what they gain.",
    no_args_is_help=True,
    add_completion=False,
    # Rich tracebacks would print local variables, which may be a person's words.
    pretty_exceptions_enable=False,
)
out, err = Console(), Console(stderr=True)


@app.command()
def run(
    preset: Annotated[str | None, typer.Option(help="A named configuration: see `tacit-sim presets`.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file of settings; any run's config.toml makes that run again.")
    ] = None,
    out_directory: Annotated[Path | None, typer.Option("--out", help="Directory for the results.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out after its last round.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start the run in --out anew.")] = False,
    data: Annotated[str | None, typer.Option(help=f"Whose pairs: {', '.join(get_args(Source))}.")] = None,
    path: Annotated[str | None, typer.Option(help="Where recorded data lies.")] = None,
    users: Annotated[int | None, typer.Option(help="How many users take part.")] = None,
    cohort: Annotated[int | None, typer.Option(help="How many devices are asked in a round.")] = None,
    rounds: Annotated[int | None, typer.Option(help="How many rounds.")] = None,
    model: Annotated[str | None, typer.Option(help="tacit-tiny, a Hugging Face name, or a directory.")] = None,
    method: Annotated[str | None, typer.Option(help="How adapters are aggregated: ffa-lora.")] = None,
    rank: Annotated[int | None, typer.Option(help="Of the LoRA adapter.")] = None,
    engine: Annotated[str | None, typer.Option(help=f"One of {', '.join(get_args(Engine))}.")] = None,
    processes: Annotated[int | None, typer.Option(help="That train side by side.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="Any other setting: GROUP.KEY=VALUE. May be repeated.")
    ] = None,
) -> None:
    """Run a federation and measure it on users it never saw.

    Settings come from the defaults, then --preset, then --config, then the other flags; what they came to is in
    config.toml of the results, where every key can be seen.

    Examples:

      tacit-sim run --preset demo --out runs/demo

      tacit-sim run --data jsonl --path pairs.jsonl --rounds 6 --out runs/mine

      tacit-sim run --resume --out runs/mine
    """
    with _explained():
        named = _named(
            {
                "data.source": data,
                "data.path": path,
                "data.users": users,
                "federation.cohort-size": cohort,
                "federation.rounds": rounds,
                "model.name": model,
                "adapter.method": method,
                "adapter.rank": rank,
                "run.engine": engine,
                "run.processes": processes,
                "federation.seed": seed,
                "adapter.seed": seed,
                "data.seed": seed,
                "evaluation.seed": seed,
            }
        )
        layers: dict[str, object] = {
            **(read_preset(preset) if preset is not None else {}),
            **(read_toml(config) if config is not None else {}),
            **named,
            **dict(parse_assignment(text) for text in assignments or []),
        }
        if resume and overwrite:
            raise ConfigError("--resume and --overwrite contradict each other")
        directory = out_directory or Path("runs") / (preset or "latest")
        command = shlex.join(["tacit-sim", *sys.argv[1:]])
        with RunProgress(out) as shown:
            if resume:
                summary, was_unfinished = resume_run(directory, layers, command=command, shown=shown)
                if not was_unfinished:
                    shown.say(f"{directory} is finished: nothing to do")
            else:
                made = RunConfig.from_flat(layers)
                summary = start_run(made, directory, overwrite=overwrite, command=command, shown=shown)
        _show(summary, directory)


@app.command()
def show(directory: Annotated[Path, typer.Argument(help="A finished run.")]) -> None:
    """Print the table of a finished run again."""
    with _explained():
        summary = RunFiles(directory).read_summary()
        if summary is None:
            raise ReleaseError(f"{directory} holds no finished run")
        _show(summary, directory)


@app.command()
def presets() -> None:
    """List the named configurations."""
    for name, description in preset_descriptions().items():
        out.print(f"[bold]{name}[/bold]  {description}")


@app.command("pretrain")
def pretrain_command(
    out_directory: Annotated[Path, typer.Option("--out", help="Directory of the model; a killed run goes on there.")],
    seed: Annotated[int, typer.Option(help="Of examples, weights and order.")] = 0,
    steps: Annotated[int, typer.Option(help="Optimizer steps.")] = PretrainConfig().steps,
    threads: Annotated[int, typer.Option(help="Of PyTorch.")] = 2,
) -> None:
    """Make tacit-tiny, the embedded world's base model, from nothing."""
    with _explained(), live_progress(out) as progress:
        pretrain(PretrainConfig(seed=seed, steps=steps, threads=threads), out_directory, progress)
    out.print(f"the model and its card are in {out_directory}", highlight=False)


class _Benchmark(Protocol):
    def __call__(self, json_path: Path | None, *, progress: Callable[[str], None]) -> dict[str, object]: ...


_BENCHMARKS: dict[str, _Benchmark] = {"dpo-step": dpo_step.run, "federation": federation.run}


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(_BENCHMARKS)}.")],
    json_path: Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")] = None,
) -> None:
    """Measure speed and memory against a peer, as ratios within one run.

    dpo-step: the private step against TRL's non-private one. federation: client updates per second, by engine.
    """
    with _explained():
        if name not in _BENCHMARKS:
            raise ConfigError(f"there is no benchmark {name!r}: there are {', '.join(_BENCHMARKS)}")
        report = _BENCHMARKS[name](json_path, progress=lambda line: out.print(line, markup=False, highlight=False))
        ratios = report["ratios"]
        for label, ratio in ratios.items() if isinstance(ratios, dict) else ():
            out.print(f"[bold]{ratio:6.2f}x[/bold]  {label}", highlight=False)


def _show(summary: Mapping[str, object], directory: Path) -> None:
    out.print()
    out.print(summary_view(summary))
    adapter = "the adapter loads with PeftModel.from_pretrained"
    out.print(f"\nresults: {directory} ({adapter})", markup=False, highlight=False)


def _named(flags: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in flags.items() if value is not None}


@contextmanager
def _explained() -> Iterator[None]:
    """Expected errors as a line that says what to do."""
    try:
        yield
    except ModuleNotFoundError as error:
        err.print(f"error: {error.name} is not installed: pip install 'tacit[sim,bench]'", markup=False)
        raise typer.Exit(1) from None
    except _EXPECTED as error:
        err.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        err.print("stopped: finished rounds stand, and --resume goes on with them", markup=False)
        raise typer.Exit(130) from None


def main() -> None:
    """The console script."""
    quiet_libraries(err)
    app()
