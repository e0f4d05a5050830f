"""How well a follow-up classifier tells what a user's message is: on the embedded world, and on real people.

Where a data set knows only whether the person was content, a prediction is read so: positive → content; re-attempt or
clarification → discontent; a new request, an unrelated message and no answer miss the case, which counts as wrong.

A wrong "re-attempt with feedback" makes a wrong training pair. So for the sets that know kinds there is also what
remains of re-attempts when only those of some confidence are claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from client.followups import FollowUp, FollowUpClassifier, FollowUpKind, FollowUpLabel
from simulations.evaluation.class_scores import DEFAULT_RESAMPLES, ClassScores, score_classes
from simulations.evaluation.followup_cases import RatedFollowUp, embedded_cases, read_abredial, read_feedbackqa
from simulations.evaluation.followup_labels import LabelledFollowUp, read_realhumaneval_labels, split_by_user

REALHUMANEVAL_DIRECTORY = "realhumaneval_chat"
RATED_DIRECTORY = "followup_feedback_labels"
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)
RATINGS = ("positive", "negative")
ROW_HEADINGS = ("set", "cases", "accuracy", "macro-F1", "majority: accuracy, macro-F1", "re-attempt: precision, recall")

_NEGATIVE_KINDS = (FollowUpKind.REATTEMPT, FollowUpKind.CLARIFICATION)


@dataclass(frozen=True, kw_only=True)
class ReattemptChoice:
    """What claiming only re-attempts of at least this confidence gives.

    Attributes:
        confidence: the threshold.
        claimed: how many.
        precision: share of them that are re-attempts; None where none is claimed.
        recall: share of all re-attempts that are claimed; None where there is none.
    """

    confidence: float
    claimed: int
    precision: float | None
    recall: float | None


@dataclass(frozen=True, kw_only=True)
class FollowUpSetReport:
    """Attributes:
    name: of the set.
    scores: over the five kinds, or over `RATINGS` where the set knows only those.
    reattempts: one for each of `THRESHOLDS`; empty where the set knows no kinds.
    calibration_error: mean distance of confidence and accuracy over ten bins of confidence, weighed by cases (expected
        calibration error); None where the set knows no kinds.
    """

    name: str
    scores: ClassScores
    reattempts: tuple[ReattemptChoice, ...] = ()
    calibration_error: float | None = None

    def row(self) -> tuple[str, ...]:
        """Cells under `ROW_HEADINGS`."""
        scores = self.scores
        interval = (
            f" [{scores.macro_f1_low:.2f}, {scores.macro_f1_high:.2f}]"
            if scores.macro_f1_low is not None and scores.macro_f1_high is not None
            else ""
        )
        reattempt = scores.score_of(FollowUpKind.REATTEMPT) if self.reattempts else None
        return (
            self.name,
            f"{scores.cases:,}" + (f" of {scores.groups:,}" if scores.groups is not None else ""),
            f"{scores.accuracy:.0%}",
            f"{scores.macro_f1:.2f}{interval}",
            f"{scores.majority_accuracy:.0%}, {scores.majority_macro_f1:.2f}",
            "" if reattempt is None else f"{reattempt.precision:.0%}, {reattempt.recall:.0%}",
        )


@dataclass(frozen=True, kw_only=True)
class FollowUpReport:
    """Attributes:
    classifier: its name.
    sets: what was measured, one report a set.
    absent: sets that were not measured because their data is not there.
    """

    classifier: str
    sets: tuple[FollowUpSetReport, ...]
    absent: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Plain values, numbers and names only: no text and no ids."""
        return asdict(self)

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """One row a set, under `ROW_HEADINGS`."""
        return tuple(report.row() for report in self.sets)


def evaluate_followups(
    classifier: FollowUpClassifier,
    data_directory: Path | None,
    *,
    embedded: int = 500,
    rated: int = 1_000,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> FollowUpReport:
    """Measures a classifier on every set there is.

    Args:
        classifier: what is measured.
        data_directory: holds `realhumaneval_chat` and `followup_feedback_labels`. A set whose folder is not there is
            named as absent; None is a directory without either.
        embedded: cases of the embedded world.
        rated: at most so many of FeedbackQA and of AB-ReDial each, whole groups drawn by `seed`; 0 takes all.
        resamples, seed: of the intervals, the cases and the draw. RealHumanEval's test users are always the same.

    Raises:
        PreferenceFileError, PreferenceLineError: data or labels are malformed.
        OSError: a file in a folder that is there cannot be read.
    """
    sets = [
        classify_labelled(
            "embedded world, held out", classifier, embedded_cases(cases=embedded, seed=seed), resamples=resamples
        )
    ]
    absent = []
    real = None if data_directory is None else data_directory / REALHUMANEVAL_DIRECTORY
    if real is not None and real.is_dir():
        test = split_by_user(read_realhumaneval_labels(real))[1]
        sets.append(classify_labelled("RealHumanEval, test users", classifier, test, resamples=resamples, seed=seed))
    else:
        absent.append("RealHumanEval, test users")
    folder = None if data_directory is None else data_directory / RATED_DIRECTORY
    for name, read in (("FeedbackQA, content or not", read_feedbackqa), ("AB-ReDial, content or not", read_abredial)):
        if folder is None or not folder.is_dir():
            absent.append(name)
            continue
        drawn = _whole_groups(read(folder), rated, seed)
        sets.append(classify_rated(name, classifier, drawn, resamples=resamples, seed=seed))
    return FollowUpReport(classifier=classifier.name, sets=tuple(sets), absent=tuple(absent))


def classify_labelled(
    name: str,
    classifier: FollowUpClassifier,
    labelled: Sequence[LabelledFollowUp],
    *,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> FollowUpSetReport:
    """Scores over the five kinds, with an interval over users where every follow-up has one.

    Raises:
        ValueError: nothing is labelled, or the classifier did not give one label for each follow-up.
    """
    labels = _classify(classifier, [one.followup for one in labelled])
    users = [one.user_id for one in labelled if one.user_id is not None]
    scores = score_classes(
        [one.kind.value for one in labelled],
        [None if label.kind is None else label.kind.value for label in labels],
        classes=[kind.value for kind in FollowUpKind],
        groups=users if len(users) == len(labelled) else None,
        resamples=resamples,
        seed=seed,
    )
    kinds = [one.kind for one in labelled]
    return FollowUpSetReport(
        name=name,
        scores=scores,
        reattempts=tuple(_choice(kinds, labels, threshold) for threshold in THRESHOLDS),
        calibration_error=_calibration_error(kinds, labels),
    )


def classify_rated(
    name: str,
    classifier: FollowUpClassifier,
    rated: Sequence[RatedFollowUp],
    *,
    resamples: int = DEFAULT_RESAMPLES,
    seed: int = 0,
) -> FollowUpSetReport:
    """Scores over `RATINGS`, the kinds read as this module says, with an interval over groups. Errors as above."""
    labels = _classify(classifier, [one.followup for one in rated])
    scores = score_classes(
        [RATINGS[not one.positive] for one in rated],
        [_rating(label.kind) for label in labels],
        classes=RATINGS,
        groups=[one.group for one in rated],
        resamples=resamples,
        seed=seed,
    )
    return FollowUpSetReport(name=name, scores=scores)


def _classify(classifier: FollowUpClassifier, followups: Sequence[FollowUp]) -> list[FollowUpLabel]:
    labels = classifier.classify(followups)
    if len(labels) != len(followups):
        raise ValueError(f"the classifier gave {len(labels)} labels for {len(followups)} follow-ups")
    return labels


def _rating(kind: FollowUpKind | None) -> str | None:
    if kind is FollowUpKind.POSITIVE:
        return RATINGS[0]
    return RATINGS[1] if kind in _NEGATIVE_KINDS else None


def _choice(kinds: Sequence[FollowUpKind], labels: Sequence[FollowUpLabel], threshold: float) -> ReattemptChoice:
    claimed = [
        kind
        for kind, label in zip(kinds, labels, strict=True)
        if label.kind is FollowUpKind.REATTEMPT and label.confidence >= threshold
    ]
    right, there = claimed.count(FollowUpKind.REATTEMPT), list(kinds).count(FollowUpKind.REATTEMPT)
    return ReattemptChoice(
        confidence=threshold,
        claimed=len(claimed),
        precision=right / len(claimed) if claimed else None,
        recall=right / there if there else None,
    )


def _calibration_error(kinds: Sequence[FollowUpKind], labels: Sequence[FollowUpLabel]) -> float:
    bins: dict[int, list[float]] = {}
    for kind, label in zip(kinds, labels, strict=True):
        bins.setdefault(min(9, int(label.confidence * 10)), []).append(label.confidence - float(label.kind is kind))
    return sum(abs(sum(gaps)) for gaps in bins.values()) / len(kinds)


def _whole_groups(rated: Sequence[RatedFollowUp], limit: int, seed: int) -> tuple[RatedFollowUp, ...]:
    if not limit or len(rated) <= limit:
        return tuple(rated)
    groups: dict[str, list[RatedFollowUp]] = {}
    for one in rated:
        groups.setdefault(one.group, []).append(one)
    names = sorted(groups)
    Random(f"tacit rated follow-ups {seed}").shuffle(names)
    drawn: list[RatedFollowUp] = []
    for name in names:
        if len(drawn) + len(groups[name]) <= limit:
            drawn += groups[name]
    return tuple(drawn)
