"""WildLlamaChat: real users' messages with every reply written again by one local model (RLHI, arXiv:2509.25137).

A user's later messages were written to the replies of the model that was there. After regeneration they follow replies
that the user never saw: a follow-up may complain of what is no longer said. It makes the model that learns the one that
spoke, and its follow-ups noisier; whoever reads a figure should know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.conversation import Conversation, Message
from shared.generation import ReplyGenerator


class RegenerationError(ValueError):
    """A conversation's replies cannot be written again. The message names its place, never its text."""


@dataclass(frozen=True, kw_only=True)
class TurnPlace:
    """A reply's place: which conversation, and which of its messages (both from 0)."""

    conversation: int
    message: int


@dataclass(frozen=True, kw_only=True, repr=False)
class RegeneratedConversations:
    """Conversations with new replies.

    Attributes:
        conversations: in the order given, with the ids and times given; only the assistant's texts differ.
        truncated: replies that ended at the limit and not by themselves, in order.
        blank: replies that came out without any text, in order.
    """

    conversations: tuple[Conversation, ...]
    truncated: tuple[TurnPlace, ...]
    blank: tuple[TurnPlace, ...]

    def __repr__(self) -> str:
        return (
            f"RegeneratedConversations({len(self.conversations)} conversations, {len(self.truncated)} truncated, "
            f"{len(self.blank)} blank replies)"
        )


def regenerate_assistant_turns(
    conversations: Sequence[Conversation],
    model: ReplyGenerator,
    *,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
) -> RegeneratedConversations:
    """Keeps what users and system messages say, and has the model write every assistant turn again, in order.

    The model reads its own earlier replies, not the logged ones. The n-th replies of all conversations are written
    together, so a long conversation costs as many rounds as it has replies. A history too long for the model is
    shortened by the model itself (`LanguageModel`: whole turns from the left; a system message and the last turn stay).

    Args:
        conversations: any number; a user's last message without a reply stays as it is.
        model: `LanguageModel`, or any model that writes.
        max_new_tokens: the limit of a reply.
        temperature: 0 is greedy: the result then depends on nothing but model and conversation, up to float
            differences between batches. Above 0 it also depends on `seed` and the other conversations.
        seed: of the sampling.
        batch_size: replies decoded together.

    Raises:
        RegenerationError: an assistant turn does not follow a user's message.
        ValueError: what the model refuses (`max_new_tokens`).
        ChatTemplateError: the model's template cannot express a conversation.
    """
    replies = [_reply_places(index, conversation) for index, conversation in enumerate(conversations)]
    messages = [list(conversation.messages) for conversation in conversations]
    truncated: list[TurnPlace] = []
    blank: list[TurnPlace] = []
    for turn in range(max((len(places) for places in replies), default=0)):
        wave = [
            TurnPlace(conversation=index, message=places[turn])
            for index, places in enumerate(replies)
            if turn < len(places)
        ]
        written = model.generate_replies(
            [messages[place.conversation][: place.message] for place in wave],
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            seed=seed + turn,  # the same noise in every wave would tie a conversation's replies together
            batch_size=batch_size,
        )
        for place, (reply,) in zip(wave, written, strict=True):
            messages[place.conversation][place.message] = Message(role="assistant", content=reply.text)
            if not reply.finished:
                truncated.append(place)
            if not reply.text.strip():
                blank.append(place)
    return RegeneratedConversations(
        conversations=tuple(
            replace(conversation, messages=tuple(new))
            for conversation, new in zip(conversations, messages, strict=True)
        ),
        truncated=_in_order(truncated),
        blank=_in_order(blank),
    )


def _reply_places(index: int, conversation: Conversation) -> list[int]:
    places = [place for place, message in enumerate(conversation.messages) if message.role == "assistant"]
    for place in places:
        if place == 0 or conversation.messages[place - 1].role != "user":
            raise RegenerationError(f"conversation {index}, message {place}: a reply must follow a user's message")
    return places


def _in_order(places: list[TurnPlace]) -> tuple[TurnPlace, ...]:
    return tuple(sorted(places, key=lambda place: (place.conversation, place.message)))
