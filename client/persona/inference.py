"""What a model observes of the user, one conversation at a time, each statement with the message it comes from.

A conversation is read once and its observations are kept, so a growing history costs only its new conversations. The
model is shown the user's own messages alone (`client.prompts.state_persona`), first of the whole conversation; where
that says anything, the messages up to each turn are shown as well, and a statement belongs to the turn at which it
first appears.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from client.persona.statements import MAX_STATEMENT_CHARACTERS, Evidence, Observation, StatementDropped
from client.prompts import state_persona
from client.screening.harmful import harmful
from client.screening.injection import injection_signs
from client.screening.sensitive import sensitive_attributes
from shared.conversation import Conversation, Message
from shared.generation import ReplyGenerator

MAX_NEW_TOKENS = 96

# Ends of sentences in many scripts; a full stop must be followed by space, so that "2.5" stays whole.
_SENTENCE_END = re.compile(r"(?<=[.!?؟।።։])\s+|(?<=[。！？])\s*|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)])\s+")
_NOTHING = re.compile(
    r"\b(?:nothing (?:is |was )?(?:known|stated|shown|said)|no (?:clear |specific |explicit |stated )?"
    r"(?:preferences?|information|evidence|indication)|not (?:enough|known|clear|specified|stated)|unclear|unknown"
    r"|cannot be (?:determined|inferred)|n/a)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class Observed:
    """What was observed of one user.

    Attributes:
        observations: in the order of the conversations given.
        dropped: why statements were dropped → how many.
    """

    observations: tuple[Observation, ...]
    dropped: Mapping[StatementDropped, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Observed({len(self.observations)} observations)"


def observe(conversations: Sequence[Conversation], model: ReplyGenerator, *, batch_size: int = 64) -> list[Observed]:
    """What each conversation says of its user, one `Observed` a conversation, in the order given.

    Conversations are independent, so those of many simulated users may share a call. An answer that was cut off keeps
    its whole sentences only.
    """
    whole = _ask([said(one) for one in conversations], model, batch_size)
    checked = [_check(statements) for statements in whole]
    prefixes: list[tuple[int, int]] = []
    for place, (kept, _) in enumerate(checked):
        turns = _user_turns(conversations[place])
        if kept and len(turns) > 1:
            prefixes += [(place, count) for count in range(1, len(turns))]
    earlier = _ask([said(conversations[place])[:count] for place, count in prefixes], model, batch_size)
    first_said: dict[tuple[int, str], int] = {}
    for (place, count), statements in zip(prefixes, earlier, strict=True):
        for text in statements:
            first_said.setdefault((place, text), count - 1)
    found = []
    for place, (kept, dropped) in enumerate(checked):
        conversation, turns = conversations[place], _user_turns(conversations[place])
        found.append(
            Observed(
                observations=tuple(
                    Observation(
                        text=text,
                        evidence=Evidence(
                            conversation_id=conversation.conversation_id,
                            turn=turns[first_said.get((place, text), len(turns) - 1)],
                            date=conversation.started,
                        ),
                    )
                    for text in kept
                ),
                dropped=dropped,
            )
        )
    return found


def said(conversation: Conversation) -> list[Message]:
    """The user's own messages."""
    return [message for message in conversation.messages if message.role == "user"]


def split_statements(text: str) -> list[str]:
    """A model's answer as single statements, in order, none twice: whole sentences or bullets, in any script."""
    found: dict[str, None] = {}
    for line in _SENTENCE_END.split(text):
        statement = " ".join(_BULLET.sub("", line).split())
        if any(unicodedata.category(sign)[0] in "LN" for sign in statement):
            found[statement] = None
    return list(found)


def reason_to_drop(statement: str) -> StatementDropped | None:
    """Why a statement must not stand in a persona; None where it may."""
    if len(statement) > MAX_STATEMENT_CHARACTERS:
        return StatementDropped.TOO_LONG
    if _NOTHING.search(statement):
        return StatementDropped.NOTHING_SAID
    if sensitive_attributes(statement):
        return StatementDropped.SENSITIVE
    if injection_signs(statement):
        return StatementDropped.INSTRUCTION
    if harmful(statement):
        return StatementDropped.HARMFUL
    return None


def _check(statements: Sequence[str]) -> tuple[list[str], Counter[StatementDropped]]:
    dropped: Counter[StatementDropped] = Counter()
    kept = []
    for statement in statements:
        reason = reason_to_drop(statement)
        if reason is None:
            kept.append(statement)
        else:
            dropped[reason] += 1
    return kept, dropped


def _ask(messages: Sequence[Sequence[Message]], model: ReplyGenerator, batch_size: int) -> list[list[str]]:
    prompts = [state_persona([turns]) for turns in messages if turns]
    replies = iter(
        model.generate_replies(prompts, max_new_tokens=MAX_NEW_TOKENS, batch_size=batch_size) if prompts else []
    )
    answers: list[list[str]] = []
    for turns in messages:
        if not turns:
            answers.append([])
            continue
        reply = next(replies)[0]
        statements = split_statements(reply.text)
        answers.append(statements if reply.finished else statements[:-1])
    return answers


def _user_turns(conversation: Conversation) -> list[int]:
    return [place for place, message in enumerate(conversation.messages) if message.role == "user"]
