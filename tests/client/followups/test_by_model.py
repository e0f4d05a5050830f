"""The model's own labels: one prompt a follow-up, and an answer that names none is no label."""

from __future__ import annotations

import pytest

from client.followups import FollowUp, FollowUpKind, FollowUpLabel
from client.followups.by_model import ModelFollowUpClassifier
from tests.tiny import message
from tests.writers import Writer, last_said

AFTER = (message("user", "How does bread rise?"), message("assistant", "Yeast."))


def test_the_answer_is_the_label_and_anything_else_is_none() -> None:
    def answer(turns: object, _: int) -> str:
        said = last_said(turns)  # type: ignore[arg-type]
        return "Positive." if "thanks" in said else "new request or unrelated" if "both" in said else "no idea"

    model = Writer(answer)
    found = ModelFollowUpClassifier(model).classify(
        [FollowUp(conversation=AFTER, text=text) for text in ("thanks", "both", "what")]
    )
    assert found == [
        FollowUpLabel(kind=FollowUpKind.POSITIVE, confidence=1.0),
        FollowUpLabel(kind=None, confidence=0.0),
        FollowUpLabel(kind=None, confidence=0.0),
    ]
    assert len(model.prompts) == 3


def test_nothing_asks_nothing() -> None:
    model = Writer(lambda _turns, _sample: "x")
    assert ModelFollowUpClassifier(model).classify([]) == []
    with pytest.raises(ValueError, match="batch_size"):
        ModelFollowUpClassifier(model, batch_size=0)


def test_a_follow_up_comes_after_a_reply_and_shows_no_text() -> None:
    with pytest.raises(ValueError, match="after an assistant's reply"):
        FollowUp(conversation=AFTER[:1], text="x")
    assert "bread" not in repr(FollowUp(conversation=AFTER, text="bread"))
