"""A user's log as the device sees it: conversations with a date, and beside each the truth that only the world knows.

Every second user speaks in held-out phrases, in every split: the pipeline is to read people who were not in the base
model's pretraining, so its stages are scored on those users apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from shared.conversation import Conversation, Message
from simulations.population.embedded.conversations import Exchange, conversations
from simulations.population.embedded.users import Split, User, make_user

_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, repr=False)
class LoggedExchange:
    """A conversation of the log and what is true of it."""

    conversation: Conversation
    truth: Exchange


def speaker(seed: int, split: Split, index: int) -> User:
    """User `index` of a split, as who speaks: odd ones in held-out phrases."""
    return replace(make_user(seed, split, index), held_out_phrases=index % 2 == 1)


def history(user: User, length: int) -> tuple[LoggedExchange, ...]:
    """The user's first `length` conversations, one a day, oldest first. A longer history begins with the shorter."""
    return tuple(
        LoggedExchange(conversation=_conversation(exchange, day), truth=exchange)
        for day, exchange in enumerate(islice(conversations(user), length))
    )


def _conversation(exchange: Exchange, day: int) -> Conversation:
    messages = [
        Message(role="user", content=exchange.question),
        Message(role="assistant", content=exchange.reply),
        Message(role="user", content=exchange.followup),
    ]
    if exchange.revision is not None:
        messages.append(Message(role="assistant", content=exchange.revision))
    return Conversation(
        conversation_id=f"day-{day}", started=_FIRST_DAY + timedelta(days=day), messages=tuple(messages)
    )
