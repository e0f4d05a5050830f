"""Replies written again: what the model is shown, in which order, and that nothing of the user's is touched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conversation import Conversation, Message
from shared.generation import GeneratedReply, GenerationSettings
from simulations.population.wildllamachat import TurnPlace, regenerate_assistant_turns
from tests.tiny import language_model

Prompts = Sequence[Sequence[Message]]


def said(role: str, content: str) -> Message:
    return Message(role=role, content=content)  # type: ignore[arg-type]


def conversation(name: str, *texts: str) -> Conversation:
    messages = tuple(said("assistant" if i % 2 else "user", text) for i, text in enumerate(texts))
    return Conversation(conversation_id=name, messages=messages, started=datetime(2024, 1, 2, tzinfo=UTC))


class Echo:
    """Writes what it was shown, so that a test can see it; notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, ...]] = []

    @property
    def name(self) -> str:
        return "echo"

    def generate_replies(
        self, conversations: Prompts, **settings: Unpack[GenerationSettings]
    ) -> list[list[GeneratedReply]]:
        asked = settings["max_new_tokens"], settings["temperature"], settings["seed"], settings["batch_size"]
        self.calls.append((len(conversations), *asked))
        return [
            [GeneratedReply(text="<" + "|".join(message.content for message in turns) + ">", finished=True)]
            for turns in conversations
        ]


class Teller(Echo):
    """As `Echo`, but says that every reply to a prompt of more than one message was cut off, and is blank."""

    def generate_replies(self, conversations: Prompts, **_: Unpack[GenerationSettings]) -> list[list[GeneratedReply]]:
        return [
            [
                GeneratedReply(text="first", finished=True)
                if len(turns) == 1
                else GeneratedReply(text=" ", finished=False)
            ]
            for turns in conversations
        ]


def test_replies_are_written_in_order_on_the_models_own_history() -> None:
    model = Echo()
    logged = [conversation("a", "u1", "OLD", "u2", "OLD", "u3"), conversation("b", "v1", "OLD")]
    made = regenerate_assistant_turns(logged, model, max_new_tokens=7, temperature=0.5, seed=3, batch_size=2)
    first, second = made.conversations
    assert [message.content for message in first.messages] == ["u1", "<u1>", "u2", "<u1|<u1>|u2>", "u3"]
    assert [message.content for message in second.messages] == ["v1", "<v1>"]
    assert (first.conversation_id, first.started) == ("a", logged[0].started)
    assert model.calls == [(2, 7, 0.5, 3, 2), (1, 7, 0.5, 4, 2)]
    assert made.truncated == ()
    assert made.blank == ()
    assert "u1" not in repr(made)


def test_truncated_and_blank_replies_are_named() -> None:
    made = regenerate_assistant_turns(
        [conversation("a", "u1", "OLD", "u2", "OLD"), conversation("b", "v1", "OLD", "v2", "OLD")],
        Teller(),
        max_new_tokens=4,
    )
    places = (TurnPlace(conversation=0, message=3), TurnPlace(conversation=1, message=3))
    assert (made.truncated, made.blank) == (places, places)


def test_a_system_message_is_kept_and_shown() -> None:
    messages = (said("system", "s"), said("user", "u"), said("assistant", "OLD"))
    made = regenerate_assistant_turns([Conversation(conversation_id="a", messages=messages)], Echo(), max_new_tokens=4)
    assert [message.content for message in made.conversations[0].messages] == ["s", "u", "<s|u>"]


@pytest.mark.parametrize("roles", [("assistant",), ("user", "assistant", "assistant"), ("system", "assistant")])
def test_a_reply_to_nobody_is_refused(roles: tuple[str, ...]) -> None:
    bad = Conversation(conversation_id="a", messages=tuple(said(role, "private words") for role in roles))
    with pytest.raises(ValueError, match="conversation 1, message") as caught:
        regenerate_assistant_turns([conversation("b", "u", "OLD"), bad], Echo(), max_new_tokens=4)
    assert "private" not in str(caught.value)


@given(st.lists(st.integers(1, 6), max_size=6))
def test_nothing_of_the_users_changes(lengths: list[int]) -> None:
    logged = [conversation(f"c{i}", *(f"m{i}.{j}" for j in range(length))) for i, length in enumerate(lengths)]
    made = regenerate_assistant_turns(logged, Echo(), max_new_tokens=4)
    assert len(made.conversations) == len(logged)
    for old, new in zip(logged, made.conversations, strict=True):
        assert [message.role for message in new.messages] == [message.role for message in old.messages]
        for before, after in zip(old.messages, new.messages, strict=True):
            assert (before == after) == (before.role == "user")


def test_a_real_model_gives_the_same_replies_twice_and_tells_what_it_cut() -> None:
    model = language_model()
    logged = [conversation("a", "How does bread rise?", "OLD", "Shorter.", "OLD"), conversation("b", "Yeast?", "OLD")]
    made = regenerate_assistant_turns(logged, model, max_new_tokens=6)
    again = regenerate_assistant_turns(logged, model, max_new_tokens=6)
    assert made == again
    assert "OLD" not in {message.content for one in made.conversations for message in one.messages}
    first = model.generate_replies([logged[0].messages[:1]], max_new_tokens=6)[0][0]
    assert made.conversations[0].messages[1].content == first.text
    assert (TurnPlace(conversation=0, message=1) in made.truncated) == (not first.finished)
    with pytest.raises(ValueError, match="context length"):
        regenerate_assistant_turns(logged, model, max_new_tokens=10_000)
