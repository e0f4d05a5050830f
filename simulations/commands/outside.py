"""`tacit-sim evaluate files` and `benchmarks`: other people's ways of comparing models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from shared.flat_config import ConfigError
from simulations.commands.showing import explained_here, out, write_json

if TYPE_CHECKING:
    from client.rewards.judge import ModelJudge
    from simulations.evaluation.pairwise_result import Comparison

_Json = Annotated[Path | None, typer.Option("--json", help="Write all figures to this file.")]


class _JudgeOfComparisons:
    """A model that judges in both orders, as the pairwise files ask for judges."""

    def __init__(self, judge: ModelJudge) -> None:
        self._judge = judge

    @property
    def name(self) -> str:
        return self._judge.name

    def judge(self, comparisons: Sequence[Comparison]) -> list[float]:
        from client.rewards.judge import Comparison as Asked
        from shared.conversation import Message

        asked = [
            Asked(
                prompt=(Message(role="user", content=one.instruction),),
                persona=None,
                first=one.model_output,
                second=one.baseline_output,
            )
            for one in comparisons
        ]
        return [verdict.first_wins for verdict in self._judge.compare(asked)]


def files(
    model_file: Annotated[Path, typer.Argument(help="The model's outputs.")],
    baseline_file: Annotated[Path, typer.Argument(help="The baseline's outputs, to the same instructions.")],
    questions: Annotated[
        Path | None, typer.Option(help="Arena-Hard's question file; without it files are AlpacaEval's.")
    ] = None,
    judgments: Annotated[Path | None, typer.Option(help="Recorded judgments, in the same project's format.")] = None,
    judge: Annotated[str | None, typer.Option(help="A model that judges in both orders, by hub name or path.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Compare what both files hold.")] = False,
    seed: Annotated[int, typer.Option(help="Of the intervals.", min=0)] = 0,
    json_path: _Json = None,
) -> None:
    """AlpacaEval- and Arena-Hard-style runs from files: outputs in, win rates with length control out.

    Example:

      tacit-sim evaluate files mine.json reference.json --judgments annotations.json
    """
    from client.rewards.judge import ModelJudge
    from shared.language_model import ModelConfig, load_language_model
    from simulations.evaluation.alpaca_eval_files import alpaca_eval_comparisons, read_alpaca_eval_annotations
    from simulations.evaluation.arena_hard_files import arena_hard_comparisons, read_arena_hard_verdicts
    from simulations.evaluation.pairwise_result import judge_comparisons, pairwise_result

    with explained_here():
        if (judgments is None) == (judge is None):
            raise ConfigError("give --judgments FILE or --judge MODEL, one of the two")
        compared = (
            alpaca_eval_comparisons(model_file, baseline_file, partial=partial)
            if questions is None
            else arena_hard_comparisons(questions, model_file, baseline_file, partial=partial)
        )
        if judgments is not None:
            read = read_alpaca_eval_annotations if questions is None else read_arena_hard_verdicts
            verdicts, name = read(judgments, compared), "recorded judgments"
        else:
            model_judge = ModelJudge(load_language_model(ModelConfig(name=judge or "")))
            with out.status(f"{model_judge.name} compares {len(compared.comparisons)} replies"):
                verdicts = judge_comparisons(compared, _JudgeOfComparisons(model_judge))
            name = model_judge.name
        found = pairwise_result(compared, verdicts, judge=name, seed=seed)
        _show_rows(found.rows())
        write_json(json_path, found.to_json())


def benchmarks(
    system: Annotated[str, typer.Argument(help="A hub name or directory of a base model, or a finished run.")],
    tasks: Annotated[str | None, typer.Option(help="Comma-separated; all by default.")] = None,
    limit: Annotated[int | None, typer.Option(help="Questions of each task, for a first look.", min=1)] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Shorter replies than a task wants.", min=1)] = None,
    json_path: _Json = None,
) -> None:
    r"""Standard benchmarks by lm-eval: MMLU-Pro, GPQA, Minerva, OlympiadBench. Needs tacit\[lm-eval] and a hub.

    Example:

      tacit-sim evaluate benchmarks runs/mine --tasks gpqa-diamond,minerva-math --limit 50
    """
    from server.releases import ADAPTER_DIRECTORY
    from simulations.evaluation.standard_benchmarks import run_standard_benchmarks
    from simulations.evaluation.standard_tasks import STANDARD_TASKS
    from simulations.evaluation.systems import base_of, run_config_of

    with explained_here():
        path = Path(system)
        is_run = path.is_dir() and run_config_of(path) is not None
        found = run_standard_benchmarks(
            base_of(path).name if is_run else system,
            path / ADAPTER_DIRECTORY if is_run else None,
            tuple(STANDARD_TASKS) if tasks is None else tuple(name.strip() for name in tasks.split(",")),
            limit,
            json_path,
            max_new_tokens=max_new_tokens,
            progress=lambda score: out.print(f"{score.name} is done", markup=False, highlight=False),
        )
        _show_rows(found.rows())


def _show_rows(rows: Sequence[Sequence[str]]) -> None:
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    out.print(table, highlight=False)
