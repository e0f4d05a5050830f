"""Verdicts become win rates: the figures, their intervals, a judge that misbehaves, and no text in anything."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from simulations.evaluation.length_control import control_length
from simulations.evaluation.pairwise_result import (
    Comparison,
    ComparisonSet,
    PairwiseError,
    PairwiseResult,
    Verdict,
    judge_comparisons,
    pairwise_result,
)

PRIVATE = "what the doctor said"


def compared(sizes: Sequence[tuple[int, int]], *, users: Sequence[str | None] | None = None) -> ComparisonSet:
    """Comparisons whose replies have these many characters, the model's first."""
    return ComparisonSet(
        benchmark="alpaca-eval",
        model="tuned",
        baseline="base",
        comparisons=tuple(
            Comparison(
                instruction=f"{PRIVATE} {place}",
                model_output="m" * model,
                baseline_output="b" * baseline,
                user_id=users[place] if users is not None else None,
                entry=place + 1,
            )
            for place, (model, baseline) in enumerate(sizes)
        ),
        left_out=2,
    )


class Judge:
    """Says what it is told to."""

    name = "told"

    def __init__(self, answers: list[float]) -> None:
        self.answers = answers
        self.asked: tuple[Comparison, ...] = ()

    def judge(self, comparisons: Sequence[Comparison]) -> list[float]:
        self.asked = tuple(comparisons)
        return self.answers


def result(sizes: Sequence[tuple[int, int]], preferences: Sequence[float | None]) -> PairwiseResult:
    verdicts = [Verdict(preference=preference) for preference in preferences]
    return pairwise_result(compared(sizes), verdicts, judge="told", resamples=20, seed=0)


def test_the_figures_are_those_of_the_judged_comparisons() -> None:
    sizes = [(10, 20), (30, 5), (8, 8), (100, 1), (7, 0)]
    found = result(sizes, [1.0, 0.25, 0.5, None, 0.75])
    assert (found.comparisons, found.judged, found.unjudged, found.left_out) == (5, 4, 1, 2)
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.win_rate.value == pytest.approx((1 + 0.25 + 0.5 + 0.75) / 4)
    assert (found.model_length, found.baseline_length) == (55 / 4, 33 / 4)
    assert found.length_control.longer == pytest.approx(2.5 / 4)
    expected = control_length([1, 0.25, 0.5, 0.75], [10, 30, 8, 7], [20, 5, 8, 0], resamples=20, seed=0)
    assert found.length_control == expected
    assert found.length_controlled == expected.controlled
    assert found.order_inconsistent is None
    assert found.drawn == "instructions"


def test_a_judge_is_asked_once_about_all_and_believed() -> None:
    given_set, judge = compared([(5, 4), (3, 9), (2, 2)]), Judge([1.0, 0.3, 0.5])
    verdicts = judge_comparisons(given_set, judge)
    assert judge.asked == given_set.comparisons
    assert [verdict.preference for verdict in verdicts] == [1.0, 0.3, 0.5]
    assert {verdict.weight for verdict in verdicts} == {1.0}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([1.0], "told gave 1 verdicts on 2 comparisons"),
        ([1.0, 1.2], "verdict 2 outside"),
        ([-0.1, 1.0], "verdict 1 outside"),
        ([0.5, float("nan")], "verdict 2 outside"),
    ],
)
def test_a_judge_that_misbehaves_is_refused(answers: list[float], said: str) -> None:
    with pytest.raises(PairwiseError, match=said) as caught:
        judge_comparisons(compared([(5, 4), (3, 9)]), Judge(answers))
    assert PRIVATE not in str(caught.value)


def test_intervals_are_over_users_where_all_comparisons_name_one() -> None:
    sizes = [(5 + place % 7, 6) for place in range(40)]
    verdicts = [Verdict(preference=float(place // 10 % 2)) for place in range(40)]

    def measured(users: Sequence[str | None] | None) -> PairwiseResult:
        return pairwise_result(compared(sizes, users=users), verdicts, judge="told", resamples=200, seed=0)

    named = [f"u{place // 10}" for place in range(40)]
    over_users, over_instructions = measured(named), measured(None)
    assert (over_users.drawn, over_users.win_rate.users) == ("users", 4)
    assert (over_instructions.drawn, over_instructions.win_rate.users) == ("instructions", 40)
    assert over_users.win_rate.high - over_users.win_rate.low > over_instructions.win_rate.high - (
        over_instructions.win_rate.low
    )
    assert measured([None, *named[1:]]).drawn == "instructions"


@settings(deadline=None)
@given(
    verdicts=st.lists(st.tuples(st.floats(0.05, 0.95), st.integers(1, 6)), min_size=1, max_size=20),
)
def test_the_weighted_win_rate_is_the_bradley_terry_score(verdicts: list[tuple[float, int]]) -> None:
    preference, weight = (np.array(column, dtype=float) for column in zip(*verdicts, strict=True))

    def negative(strength: float) -> float:
        win, loss = -np.logaddexp(0, -strength), -np.logaddexp(0, strength)
        return float(-np.sum(weight * (preference * win + (1 - preference) * loss)))

    strength = minimize_scalar(negative, bounds=(-10, 10), method="bounded", options={"xatol": 1e-9}).x
    found = pairwise_result(
        compared([(3, 4)] * len(verdicts)),
        [Verdict(preference=p, weight=w) for p, w in verdicts],
        judge="told",
        resamples=1,
        seed=0,
    )
    assert found.win_rate.value == pytest.approx(1 / (1 + np.exp(-strength)), abs=1e-6)


def test_orders_are_counted_where_verdicts_know_them() -> None:
    verdicts = [
        Verdict(preference=0.5, order_inconsistent=True),
        Verdict(preference=1.0, order_inconsistent=False),
        Verdict(preference=None, order_inconsistent=None),
    ]
    found = pairwise_result(compared([(1, 2), (3, 4), (5, 6)]), verdicts, judge="told", resamples=5, seed=0)
    assert found.order_inconsistent == 1


def test_what_is_kept_and_shown_holds_numbers_and_names_only() -> None:
    found = result([(10, 20), (30, 5), (8, 9)], [1.0, None, 0.0])
    kept = json.dumps(found.to_json())
    assert json.loads(kept)["length_control"]["controlled"]["value"] == found.length_controlled.value
    assert json.loads(kept)["model"] == "tuned"
    shown = dict(found.rows())
    assert shown["win rate"] == f"50.0% [{found.win_rate.low:.1%}, {found.win_rate.high:.1%}]"
    assert shown["wins, ties, losses"] == "1, 0, 1"
    assert shown["mean characters"] == "9, the baseline's 14"
    assert shown["without a verdict"] == "1"
    assert shown["left out"] == "2"
    for text in (kept, repr(found), str(found.rows()), repr(compared([(1, 2)])), repr(compared([(1, 2)]).comparisons)):
        assert PRIVATE not in text


def test_verdicts_must_fit_the_comparisons() -> None:
    with pytest.raises(PairwiseError, match="2 verdicts on 1 comparisons"):
        result([(1, 2)], [1.0, 0.0])
    with pytest.raises(PairwiseError, match="no comparison has a verdict"):
        result([(1, 2), (3, 4)], [None, None])


@pytest.mark.parametrize("preference", [-0.1, 1.1, float("nan")])
def test_a_preference_is_a_probability(preference: float) -> None:
    with pytest.raises(PairwiseError, match="between 0 and 1"):
        Verdict(preference=preference)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_is_positive(weight: float) -> None:
    with pytest.raises(PairwiseError, match="above 0"):
        Verdict(preference=0.5, weight=weight)
