"""Scores of a classifier against labels: per class, over classes, and against always saying the commonest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFAULT_RESAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Attributes:
    name: of the class.
    labelled, predicted: how many cases are of it and how many were said to be.
    precision, recall, f1: 0 where there is nothing to divide by.
    """

    name: str
    labelled: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """What a classifier did on a set of cases.

    Attributes:
        cases, groups: how many; `groups` is how many users (questions, conversations) the interval resamples, or None.
        accuracy: share of cases told right; a case without an answer is wrong.
        macro_f1: mean F1 over the classes that occur among the labels.
        macro_f1_low, macro_f1_high: 95 % bootstrap interval over groups, None without groups. In a resample the mean is
            over the classes that occur in it.
        unanswered: cases of which the classifier named none of the classes.
        majority: the commonest class; `majority_accuracy` and `majority_macro_f1` are of always saying it.
        classes: each class's score, in the order given.
        confusion: (classes, classes + 1) counts: row a label, column a prediction, the last column unanswered.
    """

    cases: int
    groups: int | None
    accuracy: float
    macro_f1: float
    macro_f1_low: float | None
    macro_f1_high: float | None
    unanswered: int
    majority: str
    majority_accuracy: float
    majority_macro_f1: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    def score_of(self, name: str) -> ClassScore:
        """The class of that name. Raises `KeyError`."""
        for score in self.classes:
            if score.name == name:
                return score
        raise KeyError(name)


def score_classes(
    labels: Sequence[str],
    predictions: Sequence[str | None],
    *,
    classes: Sequence[str],
    groups: Sequence[str] | None = None,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> ClassScores:
    """Scores predictions.

    Args:
        labels: (n,) of `classes`, n at least 1.
        predictions: (n,) of `classes`; anything else counts as no answer.
        classes: all of them, distinct.
        groups: (n,) whose case each is, for the interval; None gives none.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: no cases, unequal lengths, or a label that is no class.
    """
    if not labels or len(labels) != len(predictions) or (groups is not None and len(groups) != len(labels)):
        raise ValueError("there must be a prediction, and a group if there are any, for each of at least one label")
    if not set(labels) <= set(classes) or len(set(classes)) != len(classes):
        raise ValueError("labels must be of distinct classes")
    place = {name: index for index, name in enumerate(classes)}
    rows = np.array([place[label] for label in labels])
    columns = np.array([len(classes) if said is None else place.get(said, len(classes)) for said in predictions])
    confusion = _confusions(rows, columns, np.zeros(len(rows), dtype=np.int64), 1, len(classes))[0]
    low = high = None
    names: NDArray[np.object_] | None = None
    if groups is not None:
        names, index = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
        low, high = _interval(_confusions(rows, columns, index, len(names), len(classes)), resamples, seed)
    labelled = confusion.sum(axis=1)
    majority = int(labelled.argmax())
    precision, recall, f1 = _rates(confusion[None])
    return ClassScores(
        cases=len(rows),
        groups=None if names is None else len(names),
        accuracy=float(np.trace(confusion) / len(rows)),
        macro_f1=float(_macro(f1, labelled[None])[0]),
        macro_f1_low=low,
        macro_f1_high=high,
        unanswered=int(confusion[:, -1].sum()),
        majority=classes[majority],
        majority_accuracy=float(labelled[majority] / len(rows)),
        majority_macro_f1=float(2 * labelled[majority] / (labelled[majority] + len(rows)) / (labelled > 0).sum()),
        classes=tuple(
            ClassScore(
                name=name,
                labelled=int(labelled[index]),
                predicted=int(confusion[:, index].sum()),
                precision=float(precision[0, index]),
                recall=float(recall[0, index]),
                f1=float(f1[0, index]),
            )
            for index, name in enumerate(classes)
        ),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _confusions(
    rows: NDArray[np.int64], columns: NDArray[np.int64], group: NDArray[np.int64], groups: int, classes: int
) -> NDArray[np.int64]:
    """(groups, classes, classes + 1) counts."""
    found = np.zeros((groups, classes, classes + 1), dtype=np.int64)
    np.add.at(found, (group, rows, columns), 1)
    return found


def _rates(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(n, classes) precision, recall and F1 of (n, classes, classes + 1) counts."""
    classes = confusion.shape[1]
    right = confusion[:, range(classes), range(classes)].astype(np.float64)
    predicted, labelled = confusion[:, :, :classes].sum(axis=1), confusion.sum(axis=2)
    return (
        right / np.maximum(predicted, 1),
        right / np.maximum(labelled, 1),
        2 * right / np.maximum(predicted + labelled, 1),
    )


def _macro(f1: NDArray[np.float64], labelled: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) means over the classes that occur."""
    occurs = labelled > 0
    means: NDArray[np.float64] = (f1 * occurs).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return means


def _interval(by_group: NDArray[np.int64], resamples: int, seed: int) -> tuple[float, float]:
    generator = np.random.default_rng(seed)
    groups, classes, columns = by_group.shape
    flat = by_group.reshape(groups, -1)
    drawn = generator.multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    confusion = (drawn @ flat).reshape(resamples, classes, columns)
    means = _macro(_rates(confusion)[2], confusion.sum(axis=2))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
