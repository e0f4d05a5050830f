"""`tacit-sim evaluate users` and `votes`: two models compared on held-out users, or by votes that people cast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out, shown_estimate, write_json

if TYPE_CHECKING:
    from client.rewards.judge import ModelJudge
    from simulations.evaluation.user_eval import UserEval

app = typer.Typer(
    help="Compare a tuned model with its base or another: on users, on recorded votes, on files, on benchmarks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_System = Annotated[str, typer.Argument(help="A finished run's directory, a PEFT adapter's, or 'base'.")]
_Against = Annotated[str, typer.Option(help="What to compare with: base, or another run or adapter.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]


@app.command()
def users(
    system: _System,
    against: _Against = "base",
    count: Annotated[int, typer.Option("--users", help="Held-out users that ask.", min=2)] = 256,
    split: Annotated[str, typer.Option(help="reporting users for figures, tuning users for choices.")] = "reporting",
    history: Annotated[int, typer.Option(help="Conversations from which each persona is inferred.", min=1)] = 30,
    given: Annotated[bool, typer.Option("--given-personas", help="The world's own personas instead.")] = False,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0)] = 0.0,
    judge: Annotated[str | None, typer.Option(help="A model that judges in both orders, by hub name or path.")] = None,
    seed: Annotated[int, typer.Option(help="Of cases, sampling and intervals.", min=0)] = 0,
    world_seed: Annotated[int | None, typer.Option(help="Of the world; by default the run's.", min=0)] = None,
    json_path: _Json = None,
) -> None:
    """UserEval on the embedded world: whose replies serve held-out users better?

    Personalization, instruction following and overall; under the user's own persona, none, and another's; first turns,
    turns with an explicit wish, and follow-up turns; raw and length-controlled; intervals over users.

    Example:

      tacit-sim evaluate users runs/rlhi --users 256
    """
    from simulations.evaluation.systems import BASE, base_of, open_system, run_config_of
    from simulations.evaluation.user_eval import evaluate_users
    from simulations.rlhi.personas import simulated_users
    from simulations.run.progress import RunProgress

    with explained_here(), RunProgress(out) as shown:
        named = next((name for name in (system, against) if name != BASE), None)
        if named is None:
            raise ConfigError("name a run or an adapter: the base against itself is a tie")
        if split not in ("reporting", "tuning"):
            raise ConfigError("--split must be reporting or tuning")
        base = base_of(Path(named))
        config = run_config_of(Path(named))
        world = world_seed if world_seed is not None else 0 if config is None else config.data.seed
        first, second = open_system(system, base), open_system(against, base)
        with shown.stage(f"reading what {count} users said", total=1) as stage:
            plain = None if given else open_system(BASE, base).model
            people = simulated_users(
                plain,
                seed=world,
                split=_split(split),
                users=count,
                history_length=history,
                progress=lambda done: stage.advance(done, "inferring personas", line=False),
            )
        with shown.stage("asking both models", total=1) as stage:
            found = evaluate_users(
                first.model,
                second.model,
                people,
                names=(first.name, second.name),
                judge=None if judge is None else _judge(judge),
                temperature=temperature,
                seed=seed,
                progress=stage.advance,
            )
        _show_users(found)
        write_json(json_path, found.to_json())


@app.command()
def votes(
    system: _System,
    source: Annotated[str, typer.Option(help="mtbench-human, realhumaneval or jsonl.")],
    path: Annotated[str, typer.Option(help="Where the recorded data lies.")],
    against: _Against = "base",
    seed: Annotated[int, typer.Option(help="Of the intervals.", min=0)] = 0,
    json_path: _Json = None,
) -> None:
    """Let people's recorded votes judge: which model tells the chosen reply from the rejected one?

    Votes that trained a model must not test it: for a run on the same data, the run's own cross-validation is the test.
    """
    from simulations.evaluation.recorded_votes import compare_on_votes
    from simulations.evaluation.systems import BASE, base_of, open_system
    from simulations.population.recorded import RecordedPopulation
    from simulations.run.config import DataConfig
    from simulations.run.data import load_population
    from simulations.run.progress import RunProgress

    with explained_here(), RunProgress(out) as shown:
        named = next((name for name in (system, against) if name != BASE), None)
        if named is None:
            raise ConfigError("name a run or an adapter: the base against itself is a tie")
        if source not in ("mtbench-human", "realhumaneval", "jsonl"):
            raise ConfigError("--source must be mtbench-human, realhumaneval or jsonl")
        population, _ = load_population(DataConfig(source=source, path=path))  # type: ignore[arg-type]  # checked above
        if not isinstance(population, RecordedPopulation):
            raise ConfigError("--source must be recorded data")
        base = base_of(Path(named))
        plain = open_system(BASE, base)
        one, other = (plain if name == BASE else open_system(name, base) for name in (system, against))
        with shown.stage("reading votes", total=1) as stage:
            found = compare_on_votes(
                population.recorded_pairs(),
                one.model,
                other.model,
                plain.model,
                seed=seed,
                progress=lambda done: stage.advance(done, "scoring", line=False),
            )
        table = Table(
            title=f"{found.first.values} votes of {found.first.users} people told right", title_justify="left"
        )
        table.add_column("model")
        table.add_column("share", justify="right")
        table.add_row(one.name, shown_estimate(found.first))
        table.add_row(other.name, shown_estimate(found.second))
        table.add_row("difference", shown_estimate(found.difference, points=True))
        out.print(table)
        if found.too_long:
            out.print(f"{found.too_long} votes are too long for the model and were left out", highlight=False)
        write_json(json_path, found.to_json())


def _split(name: str) -> Literal["reporting", "tuning"]:
    return "tuning" if name == "tuning" else "reporting"


def _judge(name: str) -> ModelJudge:
    from client.rewards.judge import ModelJudge
    from shared.language_model import ModelConfig, load_language_model

    return ModelJudge(load_language_model(ModelConfig(name=name)))


_SHOWN = {"personalization": "taste", "instruction following": "as told", "overall": "overall"}


def _show_users(found: UserEval) -> None:
    from simulations.evaluation.user_eval import QUESTIONS

    table = Table(
        title=f"{found.first} against {found.second}: {found.users} held-out users, judged by {found.judged_by}",
        title_justify="left",
    )
    table.add_column("turns", no_wrap=True)
    table.add_column("wins at", no_wrap=True)
    for name in ("own\npersona", "no\npersona", "other's\npersona", "own, at\nequal length"):
        table.add_column(name, justify="right", no_wrap=True)
    for turns in ("all", "first", "explicit", "follow-up"):
        for question in QUESTIONS:
            rates = {condition: found.win_rate(condition, question, turns) for condition in ("own", "none", "other")}
            shown = [rates[condition].result.raw for condition in ("own", "none", "other")]
            # On two lines, so that a terminal of 80 columns holds the table.
            cells = [shown_estimate(one).replace(" ", "\n", 1) for one in (*shown, rates["own"].result.controlled)]
            table.add_row(turns, _SHOWN[question], *cells)
    out.print(table)
    needs = Table(title="Stated need met, or, where nothing was asked, makes sense (own persona)", title_justify="left")
    for name in ("turns", found.first, found.second):
        needs.add_column(name, justify="left" if name == "turns" else "right")
    for need in found.needs:
        if need.condition == "own":
            needs.add_row(need.turns, shown_estimate(need.first), shown_estimate(need.second))
    out.print(needs)
    gains = "; ".join(
        f"{question} {shown_estimate(gain, points=True)}" for question, gain in found.personal_gain.items()
    )
    out.print(f"Win under one's own persona minus under another's, points: {gains}", highlight=False)
    if found.inconsistent is not None:
        out.print(
            f"{found.inconsistent:.0%} of the judge's verdicts changed with the order, and count as ties",
            highlight=False,
        )
