"""Scores per class: against figures worked out by hand, and properties that hold for any predictions."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.evaluation.class_scores import score_classes

CLASSES = ("a", "b", "c")
some_cases = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from((*CLASSES, None, "else")), st.sampled_from("uvw")), min_size=1
)


def test_against_figures_worked_out_by_hand() -> None:
    labels = ["a", "a", "a", "a", "b", "b", "c", "c"]
    predictions = ["a", "a", "b", None, "b", "a", "a", "x"]
    scores = score_classes(labels, predictions, classes=CLASSES)
    a, b, c = scores.classes
    assert (a.labelled, a.predicted, a.precision, a.recall, a.f1) == (4, 4, 0.5, 0.5, 0.5)
    assert (b.labelled, b.predicted, b.precision, b.recall, b.f1) == (2, 2, 0.5, 0.5, 0.5)
    assert (c.labelled, c.predicted, c.precision, c.recall, c.f1) == (2, 0, 0.0, 0.0, 0.0)
    assert scores.accuracy == 3 / 8
    assert scores.macro_f1 == pytest.approx(1 / 3)
    assert scores.unanswered == 2
    assert scores.confusion == ((2, 1, 0, 1), (1, 1, 0, 0), (1, 0, 0, 1))
    assert (scores.majority, scores.majority_accuracy) == ("a", 0.5)
    assert scores.majority_macro_f1 == pytest.approx((2 * 4 / (4 + 8)) / 3)
    assert (scores.groups, scores.macro_f1_low, scores.macro_f1_high) == (None, None, None)


@given(some_cases)
def test_always_saying_the_commonest_scores_as_the_baseline(cases: list[tuple[str, str | None, str]]) -> None:
    labels = [label for label, _, _ in cases]
    first = score_classes(labels, labels, classes=CLASSES)
    always = score_classes(labels, [first.majority] * len(labels), classes=CLASSES)
    assert always.accuracy == pytest.approx(first.majority_accuracy)
    assert always.macro_f1 == pytest.approx(first.majority_macro_f1)
    assert first.accuracy == first.macro_f1 == 1


@given(some_cases)
def test_any_predictions_give_shares_and_an_interval(cases: list[tuple[str, str | None, str]]) -> None:
    labels, predictions, groups = (list(column) for column in zip(*cases, strict=True))
    scores = score_classes(labels, predictions, classes=CLASSES, groups=groups, resamples=50, seed=1)
    assert 0 <= scores.macro_f1 <= 1
    assert scores.macro_f1_low is not None
    assert scores.macro_f1_high is not None
    assert 0 <= scores.macro_f1_low <= scores.macro_f1_high <= 1
    assert sum(map(sum, scores.confusion)) == scores.cases == len(cases)
    assert [sum(row) for row in scores.confusion] == [labels.count(name) for name in CLASSES]
    assert scores == score_classes(labels, predictions, classes=CLASSES, groups=groups, resamples=50, seed=1)
    json.dumps(asdict(scores), allow_nan=False)


def test_the_interval_resamples_groups_and_not_cases() -> None:
    labels = ["a", "b"] * 100
    predictions = ["a", "b"] * 50 + ["b", "a"] * 50
    alone = score_classes(labels, predictions, classes=CLASSES, groups=[str(place) for place in range(200)])
    two = score_classes(labels, predictions, classes=CLASSES, groups=["good"] * 100 + ["bad"] * 100)
    assert (two.macro_f1_low, two.macro_f1_high) == (0.0, 1.0)
    assert alone.macro_f1_low is not None
    assert alone.macro_f1_high is not None
    # Of 200 independent cases told right with probability ½ the share lies within 1.96·√(¼/200) = 0.069 of ½.
    assert alone.macro_f1_high - alone.macro_f1_low == pytest.approx(2 * 0.069, rel=0.1)
    assert (alone.groups, two.groups) == (200, 2)


def test_a_class_s_score_is_found_by_name() -> None:
    scores = score_classes(["a"], ["a"], classes=CLASSES)
    assert scores.score_of("a").f1 == 1
    with pytest.raises(KeyError):
        scores.score_of("d")


@pytest.mark.parametrize(
    ("labels", "predictions", "classes", "groups"),
    [
        ([], [], CLASSES, None),
        (["a"], [], CLASSES, None),
        (["a"], ["a"], CLASSES, []),
        (["d"], ["a"], CLASSES, None),
        (["a"], ["a"], ("a", "a"), None),
    ],
)
def test_bad_input_is_refused(
    labels: list[str], predictions: list[str], classes: tuple[str, ...], groups: list[str] | None
) -> None:
    with pytest.raises(ValueError, match="label"):
        score_classes(labels, predictions, classes=classes, groups=groups)
