"""Standard benchmarks by names of ours, and what an lm-eval run of one comes to.

| name | lm-eval's task | what |
|---|---|---|
| mmlu-pro | mmlu_pro | 12,032 questions on 14 subjects, ten choices; five examples with reasoning |
| gpqa-main, gpqa-diamond | gpqa_main_cot_zeroshot, gpqa_diamond_cot_zeroshot | 448 and 198 questions; gated data |
| minerva-math | minerva_math | the 5,000 test problems of MATH, with Minerva's four examples |
| math-500 | minerva_math500 | 500 of them |
| minerva-ocw | none: `boxed_answers` | Minerva's 272 undergraduate problems; "Minerva" in many papers means these |
| olympiadbench | none: `boxed_answers` | 674 competition problems |

lm-eval lets a reply take 256 tokens where a task does not say, which cuts GPQA's reasoning off: here it may take 2,048.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from simulations.evaluation.boxed_answers import METRIC, MINERVA_OCW, OLYMPIAD_BENCH, BoxedAnswers

_Table = Mapping[str, object]


class StandardBenchmarkError(RuntimeError):
    """A benchmark cannot be run as asked. The message says what to do about it."""


@dataclass(frozen=True, kw_only=True)
class StandardTask:
    """A benchmark with a name of ours.

    Attributes:
        name: ours.
        task: lm-eval's name, or a task that we define.
        metric: which of its figures is shown, as lm-eval names it: "metric,filter".
        data: where the questions are on the hub.
        max_new_tokens: what a reply may take; None leaves it to the task.
    """

    name: str
    task: str | BoxedAnswers
    metric: str
    data: str
    max_new_tokens: int | None = None

    @property
    def task_name(self) -> str:
        """What lm-eval calls it in its results."""
        return self.task if isinstance(self.task, str) else self.task.name


def _gpqa(subset: str) -> StandardTask:
    return StandardTask(
        name=f"gpqa-{subset}",
        task=f"gpqa_{subset}_cot_zeroshot",
        metric="exact_match,flexible-extract",
        data="Idavidrein/gpqa",
        max_new_tokens=2048,
    )


def _boxed(name: str, task: BoxedAnswers) -> StandardTask:
    return StandardTask(name=name, task=task, metric=f"{METRIC},none", data=task.data)


STANDARD_TASKS: Mapping[str, StandardTask] = {
    task.name: task
    for task in (
        StandardTask(name="mmlu-pro", task="mmlu_pro", metric="exact_match,custom-extract", data="TIGER-Lab/MMLU-Pro"),
        _gpqa("main"),
        _gpqa("diamond"),
        StandardTask(
            name="minerva-math", task="minerva_math", metric="math_verify,none", data="EleutherAI/hendrycks_math"
        ),
        StandardTask(name="math-500", task="minerva_math500", metric="math_verify,none", data="HuggingFaceH4/MATH-500"),
        _boxed("minerva-ocw", MINERVA_OCW),
        _boxed("olympiadbench", OLYMPIAD_BENCH),
    )
}


@dataclass(frozen=True, kw_only=True)
class BenchmarkScore:
    """One benchmark's figures.

    Attributes:
        name: as it was asked for; of a tag of lm-eval, the name of the task within it.
        version: the task's; figures of different versions must not be compared. None where it has none.
        examples: how many solved examples stood before each question; None where parts of a group differ.
        questions, asked: how many there are, and how many were asked.
        metric: what `value` is: "metric,filter".
        value: in [0, 1] for the benchmarks of the module's table.
        standard_error: lm-eval's, over questions; None where it gives none.
        figures: every figure that lm-eval gives, by "metric,filter".
        seconds: wall time; of all parts of a tag together.
    """

    name: str
    version: str | None
    examples: int | None
    questions: int
    asked: int
    metric: str
    value: float
    standard_error: float | None
    figures: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class StandardBenchmarks:
    """What was measured on one model.

    Attributes:
        model: the base model's name.
        adapter: the last part of the adapter's directory; None is the base model alone.
        chat_template: whether questions were put as the model's chats are.
        limit: questions a task at most; None is all. With a limit no figure is the benchmark's.
        max_new_tokens: what a reply could take, where the caller said so.
        lm_eval: its version.
        scores: in the order asked for.
    """

    model: str
    adapter: str | None
    chat_template: bool
    limit: int | None
    max_new_tokens: int | None
    lm_eval: str
    scores: tuple[BenchmarkScore, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain values: names and numbers only."""
        return asdict(self)

    def rows(self) -> tuple[tuple[str, str, str], ...]:
        """(benchmark, figure with 1.96 standard errors, how many questions) for a table."""
        return tuple(
            (
                score.name,
                f"{score.value:.1%}" + ("" if (error := score.standard_error) is None else f" ± {1.96 * error:.1%}"),
                f"{score.asked:,}" + ("" if score.asked == score.questions else f" of {score.questions:,}"),
            )
            for score in self.scores
        )


def read_scores(results: _Table, name: str, *, seconds: float) -> tuple[BenchmarkScore, ...]:
    """The scores in what lm-eval's `simple_evaluate` returned for one benchmark.

    Args:
        results: of a run of that benchmark alone.
        name: as it was asked for. A name of ours, a task or a group gives one score, a tag one for each of its tasks.
        seconds: how long it took.

    Raises:
        StandardBenchmarkError: the results hold no figure, or not the one that is shown.
    """
    spec = STANDARD_TASKS.get(name)
    found = _table(results, "results")
    root = name if spec is None else spec.task_name
    names = {root: name} if root in found else {task: task for task in found}
    return tuple(
        _score(results, task, shown, spec.metric if spec is not None else None, seconds)
        for task, shown in names.items()
    )


def _score(results: _Table, task: str, shown: str, metric: str | None, seconds: float) -> BenchmarkScore:
    figures = {
        key: float(value)
        for key, value in _table(_table(results, "results"), task).items()
        if "," in key and isinstance(value, int | float) and math.isfinite(value)
    }
    chosen = metric or next((key for key in figures if "_stderr," not in key), "a metric")
    if chosen not in figures:
        raise StandardBenchmarkError(
            f"lm-eval's results for {shown} hold no {chosen}: this version of lm-eval names its figures otherwise"
        )
    # The parts of a group are all that a run of it holds.
    samples = _table(results, "n-samples")
    parts = [task] if task in samples else list(samples)
    shots = {_table(results, "n-shot").get(part) for part in parts}
    version = _table(results, "versions").get(task)
    return BenchmarkScore(
        name=shown,
        version=None if version is None else str(version),
        examples=cast("int | None", shots.pop()) if len(shots) == 1 else None,
        questions=sum(cast(int, _table(samples, part)["original"]) for part in parts),
        asked=sum(cast(int, _table(samples, part)["effective"]) for part in parts),
        metric=chosen,
        value=figures[chosen],
        standard_error=figures.get(chosen.replace(",", "_stderr,")),
        figures=figures,
        seconds=seconds,
    )


def _table(values: _Table, key: str) -> _Table:
    return cast(_Table, values.get(key, {}))
