"""The prompts of the pipeline's own tasks: what they show a model, and what they keep from it."""

from __future__ import annotations

import pytest

from client.prompts import (
    FollowUpKind,
    classify_follow_up,
    read_follow_up_kind,
    rewrite_with_feedback,
    state_persona,
    with_persona,
)
from shared.conversation import Message

CHAT = (
    Message(role="user", content="How do I cook rice?"),
    Message(role="assistant", content="Boil it."),
    Message(role="user", content="For how long?"),
    Message(role="assistant", content="Twelve minutes."),
)


def test_a_rewrite_is_the_conversation_and_the_feedback_under_an_instruction() -> None:
    turns = rewrite_with_feedback(CHAT, "Longer please.")
    assert turns[0].role == "system"
    assert turns[1:-1] == CHAT
    assert turns[-1] == Message(role="user", content="Longer please.")


def test_a_rewrite_under_a_persona_has_one_system_message_with_both() -> None:
    turns = rewrite_with_feedback(CHAT, "Longer please.", "Is new to cooking.")
    assert [message.role for message in turns].count("system") == 1
    assert "Is new to cooking." in turns[0].content
    assert rewrite_with_feedback(CHAT, "Longer please.")[0].content in turns[0].content
    assert turns == with_persona(rewrite_with_feedback(CHAT, "Longer please."), "Is new to cooking.")


def test_a_follow_up_is_shown_with_the_request_and_reply_it_follows_only() -> None:
    turns = classify_follow_up(CHAT, "Too short.")
    assert all(kind.value in turns[0].content for kind in FollowUpKind)
    assert turns[1].content == "Request: For how long?\nReply: Twelve minutes.\nFollow-up: Too short."


@pytest.mark.parametrize("kind", FollowUpKind)
def test_a_kind_is_read_from_a_models_own_way_of_saying_it(kind: FollowUpKind) -> None:
    assert read_follow_up_kind(kind.value) is kind
    assert read_follow_up_kind(f"This is: {kind.value.title()}.") is kind


@pytest.mark.parametrize("answer", ["", "no idea", "positive or unrelated"])
def test_an_answer_that_names_none_or_several_kinds_is_none(answer: str) -> None:
    assert read_follow_up_kind(answer) is None


def test_a_persona_is_stated_from_the_users_words_alone() -> None:
    turns = state_persona([CHAT, CHAT[:1]])
    assert turns[-1].content == "- How do I cook rice?\n- For how long?\n- How do I cook rice?"
    assert "Boil it." not in turns[-1].content


def test_there_must_be_a_reply_to_redo_or_to_follow() -> None:
    for conversation in ((), CHAT[:1]):
        with pytest.raises(ValueError, match="must end with the assistant's reply"):
            rewrite_with_feedback(conversation, "Longer please.")
        with pytest.raises(ValueError, match="must end with the assistant's reply"):
            classify_follow_up(conversation, "Longer please.")
