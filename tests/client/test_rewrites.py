"""User-guided rewrites: what the model is shown, and the ablation that is shown less."""

from __future__ import annotations

import pytest

from client.rewrites import Dissatisfaction, rewrite
from tests.tiny import message
from tests.writers import Writer

CASE = Dissatisfaction(
    prompt=(message("user", "How does bread rise?"),),
    original="A long reply.",
    feedbacks=("Shorter please.", "And as a list."),
    persona="Likes lists.",
)


def test_the_model_sees_request_original_feedback_and_persona() -> None:
    model = Writer(lambda _turns, _sample: "- gas")
    (reply,) = rewrite([CASE], model, max_new_tokens=9)
    assert (reply.text, reply.finished) == ("- gas", True)
    shown = " ".join(turn.content for turn in model.prompts[0])
    for part in ("How does bread rise?", "A long reply.", "Shorter please. And as a list.", "Likes lists."):
        assert part in shown


def test_from_scratch_shows_neither_original_nor_feedback() -> None:
    model = Writer(lambda _turns, _sample: "gas…")
    (reply,) = rewrite([CASE], model, mode="from-scratch", max_new_tokens=9)
    assert not reply.finished
    shown = " ".join(turn.content for turn in model.prompts[0])
    assert "How does bread rise?" in shown
    assert "Likes lists." in shown
    assert "A long reply." not in shown
    assert "Shorter" not in shown


def test_nothing_to_rewrite_asks_nothing() -> None:
    model = Writer(lambda _turns, _sample: "x")
    assert rewrite([], model, max_new_tokens=9) == []
    assert model.prompts == []


def test_a_dissatisfaction_needs_a_feedback_and_shows_no_text() -> None:
    with pytest.raises(ValueError, match="feedback"):
        Dissatisfaction(prompt=CASE.prompt, original="x", feedbacks=(), persona=None)
    assert "bread" not in repr(CASE)
