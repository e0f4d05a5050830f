"""The model's classifier: what it asks, and what it makes of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import pytest

from client.followups import FollowUpKind, FollowUpLabel
from client.followups.by_model import MAX_NEW_TOKENS, ModelFollowUpClassifier
from client.prompts import classify_follow_up
from shared.conversation import Message
from shared.generation import GeneratedReply, GenerationSettings
from tests.client.followups.examples import ODD_TEXTS, follow_up
from tests.tiny import language_model


class Answering:
    """A generator that gives prepared answers, and keeps what it was asked."""

    name = "answering"

    def __init__(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[Message]] = []
        self.settings: GenerationSettings | None = None

    def generate_replies(
        self, conversations: Sequence[Sequence[Message]], **settings: Unpack[GenerationSettings]
    ) -> list[list[GeneratedReply]]:
        self.asked += conversations
        self.settings = settings
        return [[GeneratedReply(text=self.answers.pop(0), finished=True)] for _ in conversations]


def test_answers_become_labels_in_order() -> None:
    answers = ["positive", "It is a New Request.", "no idea", "positive or unrelated", "", *FollowUpKind]
    model = Answering(answers)
    followups = [follow_up(f"message {place}") for place in range(len(answers))]

    labels = ModelFollowUpClassifier(model).classify(followups)

    assert labels == [
        FollowUpLabel(kind=FollowUpKind.POSITIVE, confidence=1.0),
        FollowUpLabel(kind=FollowUpKind.NEW_REQUEST, confidence=1.0),
        *[FollowUpLabel(kind=None, confidence=0.0)] * 3,
        *[FollowUpLabel(kind=kind, confidence=1.0) for kind in FollowUpKind],
    ]
    assert model.asked == [classify_follow_up(one.conversation, one.text) for one in followups]


def test_it_asks_greedily_and_in_batches() -> None:
    model = Answering(["positive"])
    ModelFollowUpClassifier(model, batch_size=7).classify([follow_up("thanks")])
    assert model.settings == {"max_new_tokens": MAX_NEW_TOKENS, "batch_size": 7}


def test_nothing_is_asked_about_nothing() -> None:
    model = Answering([])
    assert ModelFollowUpClassifier(model).classify([]) == []
    assert model.settings is None


def test_its_name_says_which_model() -> None:
    assert ModelFollowUpClassifier(Answering([])).name == "model answering"


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size"):
        ModelFollowUpClassifier(Answering([]), batch_size=0)


def test_a_real_model_labels_any_text() -> None:
    texts = [text for text in ODD_TEXTS if len(text) < 1_000]
    labels = ModelFollowUpClassifier(language_model()).classify([follow_up(text, request=text) for text in texts])
    assert len(labels) == len(texts)
    assert all(label.confidence == float(label.kind is not None) for label in labels)
