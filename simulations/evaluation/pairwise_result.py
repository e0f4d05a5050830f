"""A model's replies against a baseline's, judged pair by pair, and what the verdicts come to.

Files of comparisons and of recorded verdicts are read by `alpaca_eval_files` and `arena_hard_files`.

A verdict may weigh more than another (Arena-Hard counts a strong one three times). The win rate is the weighted mean of
the preferences. With one model and one baseline it is also the Bradley-Terry score: the strength that maximises
sum w (p log sigmoid(b) + (1 - p) log sigmoid(-b)) has sigmoid(b) = sum w p / sum w.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol

from simulations.evaluation.length_control import DEFAULT_RESAMPLES, LengthControl, control_length
from simulations.evaluation.statistics import Estimate

Benchmark = Literal["alpaca-eval", "arena-hard"]


class PairwiseError(ValueError):
    """Comparisons and verdicts do not fit each other. The message holds no text of either."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """One instruction, answered twice.

    Attributes:
        instruction: what was asked.
        model_output, baseline_output: the replies; they may be empty.
        question_id: where the benchmark has one (Arena-Hard); else None.
        user_id: for whom the replies were written, where the files say so.
        entry: which of its file's entries the model's reply is, from 1.
    """

    instruction: str
    model_output: str
    baseline_output: str
    question_id: str | None = None
    user_id: str | None = None
    entry: int

    def __repr__(self) -> str:
        return (
            f"Comparison(entry {self.entry}, replies of {len(self.model_output)} and {len(self.baseline_output)} "
            "characters)"
        )


@dataclass(frozen=True, kw_only=True)
class ComparisonSet:
    """Attributes:
    benchmark: whose rules judge it.
    model, baseline: what wrote the replies.
    comparisons: in the order of the model's file (AlpacaEval) or of the questions (Arena-Hard).
    left_out: instructions that were not compared because the caller asked for a part.
    """

    benchmark: Benchmark
    model: str
    baseline: str
    comparisons: tuple[Comparison, ...] = field(repr=False)
    left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Attributes:
    preference: in [0, 1], 1 for the model; None where the judge gave none that could be read.
    weight: how much it counts.
    order_inconsistent: whether the judge was for the model in one order and for the baseline in the other; None where
        the verdict does not say how it came about.
    """

    preference: float | None
    weight: float = 1.0
    order_inconsistent: bool | None = None

    def __post_init__(self) -> None:
        if self.preference is not None and not 0 <= self.preference <= 1:
            raise PairwiseError("a verdict's preference must be between 0 and 1")
        if not 0 < self.weight < math.inf:
            raise PairwiseError("a verdict's weight must be above 0")


class PairwiseJudge(Protocol):
    """Says which reply is better. A judge that reads replies in order should be asked in both, and averaged."""

    @property
    def name(self) -> str: ...

    def judge(self, comparisons: Sequence[Comparison]) -> list[float]:
        """(n,) in [0, 1]: the probability that the model's reply is preferred, ½ for a tie."""
        ...


@dataclass(frozen=True, kw_only=True)
class PairwiseResult:
    """What was measured.

    Attributes:
        benchmark, model, baseline, judge: names.
        comparisons: how many there are; `judged` of them count, `unjudged` had no verdict, `left_out` were not asked.
        wins, ties, losses: of those judged, by the preference being above, at or below ½.
        order_inconsistent: see `Verdict`; None where no verdict says.
        model_length, baseline_length: mean characters (code points) of the replies judged.
        length_control: raw and length-controlled win rate, with intervals over `drawn`.
        drawn: what the intervals resample.
    """

    benchmark: Benchmark
    model: str
    baseline: str
    judge: str
    comparisons: int
    judged: int
    unjudged: int
    left_out: int
    wins: int
    ties: int
    losses: int
    order_inconsistent: int | None
    model_length: float
    baseline_length: float
    length_control: LengthControl
    drawn: Literal["users", "instructions"]

    @property
    def win_rate(self) -> Estimate:
        """The weighted mean of the preferences."""
        return self.length_control.raw

    @property
    def length_controlled(self) -> Estimate:
        """The same had both sides been equally long."""
        return self.length_control.controlled

    def to_json(self) -> dict[str, object]:
        """Plain values, numbers and names only: no text and no ids."""
        return asdict(self)

    def rows(self) -> tuple[tuple[str, str], ...]:
        """(what, figure) for a table."""
        shown = [
            ("win rate, length-controlled", _interval(self.length_controlled)),
            ("win rate", _interval(self.win_rate)),
            ("wins, ties, losses", f"{self.wins:,}, {self.ties:,}, {self.losses:,}"),
            ("mean characters", f"{self.model_length:,.0f}, the baseline's {self.baseline_length:,.0f}"),
            ("longer than the baseline's", f"{self.length_control.longer:.0%}"),
        ]
        if self.order_inconsistent is not None:
            shown.append(("judged the other way round in the other order", f"{self.order_inconsistent:,}"))
        if self.unjudged:
            shown.append(("without a verdict", f"{self.unjudged:,}"))
        if self.left_out:
            shown.append(("left out", f"{self.left_out:,}"))
        return tuple(shown)


def judge_comparisons(compared: ComparisonSet, judge: PairwiseJudge) -> tuple[Verdict, ...]:
    """Asks a judge about every comparison.

    Raises:
        PairwiseError: the judge did not give one number in [0, 1] for each.
    """
    preferences = judge.judge(compared.comparisons)
    if len(preferences) != len(compared.comparisons):
        raise PairwiseError(
            f"the judge {judge.name} gave {len(preferences)} verdicts on {len(compared.comparisons)} comparisons"
        )
    for place, preference in enumerate(preferences):
        if not 0 <= preference <= 1:
            raise PairwiseError(f"the judge {judge.name} gave verdict {place + 1} outside [0, 1]")
    return tuple(Verdict(preference=float(preference)) for preference in preferences)


def pairwise_result(
    compared: ComparisonSet,
    verdicts: Sequence[Verdict],
    *,
    judge: str,
    confidence: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int,
) -> PairwiseResult:
    """Win rates of the model.

    Intervals are over users where every comparison names one, else over instructions. Comparisons without a verdict
    are counted and left out.

    Args:
        compared: (n,) the comparisons.
        verdicts: (n,) in their order.
        judge: its name, for the record.
        confidence, resamples, seed: of the intervals, see `control_length`.

    Raises:
        PairwiseError: there is not one verdict a comparison, or none that can be counted.
    """
    if len(verdicts) != len(compared.comparisons):
        raise PairwiseError(f"there are {len(verdicts)} verdicts on {len(compared.comparisons)} comparisons")
    judged = [
        (comparison, verdict, verdict.preference)
        for comparison, verdict in zip(compared.comparisons, verdicts, strict=True)
        if verdict.preference is not None
    ]
    if not judged:
        raise PairwiseError("no comparison has a verdict")
    users = [comparison.user_id for comparison, _, _ in judged if comparison.user_id is not None]
    over_users = len(users) == len(judged)
    model_lengths = [len(comparison.model_output) for comparison, _, _ in judged]
    baseline_lengths = [len(comparison.baseline_output) for comparison, _, _ in judged]
    preferences = [preference for _, _, preference in judged]
    orders = [verdict.order_inconsistent for _, verdict, _ in judged if verdict.order_inconsistent is not None]
    return PairwiseResult(
        benchmark=compared.benchmark,
        model=compared.model,
        baseline=compared.baseline,
        judge=judge,
        comparisons=len(compared.comparisons),
        judged=len(judged),
        unjudged=len(verdicts) - len(judged),
        left_out=compared.left_out,
        wins=sum(preference > 0.5 for preference in preferences),
        ties=sum(preference == 0.5 for preference in preferences),
        losses=sum(preference < 0.5 for preference in preferences),
        order_inconsistent=sum(orders) if orders else None,
        model_length=sum(model_lengths) / len(judged),
        baseline_length=sum(baseline_lengths) / len(judged),
        length_control=control_length(
            preferences,
            model_lengths,
            baseline_lengths,
            weights=[verdict.weight for _, verdict, _ in judged],
            user_ids=users if over_users else None,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        ),
        drawn="users" if over_users else "instructions",
    )


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"
