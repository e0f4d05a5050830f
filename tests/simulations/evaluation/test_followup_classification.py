"""Follow-up labels, cases and figures: joined with their data, honest about majorities, and without any text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from client.followups import FollowUp, FollowUpKind, FollowUpLabel
from client.followups.light import LightFollowUpClassifier
from shared.preference_lines import PreferenceLineError
from simulations.evaluation.followup_cases import embedded_cases
from simulations.evaluation.followup_classification import ROW_HEADINGS, classify_labelled, evaluate_followups
from simulations.evaluation.followup_labels.labels import read_realhumaneval_labels, split_by_user
from simulations.population.embedded.followups import HELD_OUT_OTHER, OTHER

DATA = Path(__file__).parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "realhumaneval_chat").is_dir(), reason="the real data is not here")
LABELS = Path(__file__).parents[3] / "simulations" / "evaluation" / "followup_labels" / "realhumaneval.csv"


class Always:
    """Says one kind, whatever it is asked."""

    name = "always"

    def __init__(self, kind: FollowUpKind) -> None:
        self._kind = kind

    def classify(self, followups: Sequence[FollowUp]) -> list[FollowUpLabel]:
        return [FollowUpLabel(kind=self._kind, confidence=1.0) for _ in followups]


def test_embedded_cases_are_balanced_and_in_held_out_words() -> None:
    cases = embedded_cases(cases=100, seed=1)
    kinds = [case.kind for case in cases]
    assert {kinds.count(kind) for kind in FollowUpKind} == {20}
    praise = {case.followup.text for case in cases if case.kind is FollowUpKind.POSITIVE}
    assert praise <= set(HELD_OUT_OTHER[FollowUpKind.POSITIVE])
    assert not praise & set(OTHER[FollowUpKind.POSITIVE])


def test_a_constant_classifier_is_no_better_than_the_majority() -> None:
    found = classify_labelled("x", Always(FollowUpKind.POSITIVE), embedded_cases(cases=100, seed=1), resamples=50)
    values = found.scores
    assert values.accuracy == pytest.approx(0.2)
    assert values.macro_f1 < 0.1


def test_the_light_classifier_tells_the_worlds_held_out_phrases() -> None:
    cases = embedded_cases(cases=200, seed=2)
    right = classify_labelled("x", LightFollowUpClassifier.packaged(), cases, resamples=50).scores
    assert right.macro_f1 > 0.9
    # A classifier that is right must look wrong against labels that are wrong.
    kinds = list(FollowUpKind)
    shifted = [type(case)(**{**_fields(case), "kind": kinds[(kinds.index(case.kind) + 1) % 5]}) for case in cases]
    assert classify_labelled("x", LightFollowUpClassifier.packaged(), shifted, resamples=50).scores.macro_f1 < 0.1


def test_sets_that_are_not_there_are_named_as_absent(tmp_path: Path) -> None:
    found = evaluate_followups(LightFollowUpClassifier.packaged(), tmp_path, embedded=50, resamples=20)
    assert len(found.sets) == 1
    assert len(found.absent) == 3
    assert all(len(row) == len(ROW_HEADINGS) for row in found.rows())


def test_the_labels_hold_ids_and_kinds_and_no_text() -> None:
    rows = LABELS.read_text(encoding="utf-8").splitlines()
    assert rows[0] == "user_id,conversation_id,turn,label"
    assert len(rows) > 200
    kinds = {kind.value for kind in FollowUpKind}
    for row in rows[1:]:
        user, conversation, turn, label = row.split(",")
        assert label in kinds
        assert turn.isdigit()
        assert len(user) + len(conversation) < 60


@needs_data
def test_labels_join_real_conversations_and_users_are_kept_whole() -> None:
    labelled = read_realhumaneval_labels(DATA / "realhumaneval_chat")
    assert len(labelled) >= 200
    training, test = split_by_user(labelled)
    assert not {one.user_id for one in training} & {one.user_id for one in test}
    assert len(training) + len(test) == len(labelled)
    assert all(one.followup.conversation[-1].role == "assistant" for one in labelled)


@needs_data
def test_a_label_that_does_not_fit_the_data_is_refused_by_line(tmp_path: Path) -> None:
    rows = LABELS.read_text(encoding="utf-8").splitlines()
    user, conversation, _, label = rows[1].split(",")
    (tmp_path / "labels.csv").write_text("\n".join([rows[0], f"{user},{conversation},9999,{label}"]), encoding="utf-8")
    with pytest.raises(PreferenceLineError, match="line 2"):
        read_realhumaneval_labels(DATA / "realhumaneval_chat", labels=tmp_path / "labels.csv")


def _fields(case: object) -> dict[str, object]:
    from dataclasses import fields

    return {item.name: getattr(case, item.name) for item in fields(case)}  # type: ignore[arg-type]
