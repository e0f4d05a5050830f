"""PRISM: 1,500 people of many countries who talked with two dozen models and scored every reply.

In the first turn up to four models answer, later one model twice. The participant moves a slider from 1 to 100 for each
reply; the highest is the chosen one, and the conversation goes on from it. A pair is the chosen reply over one that was
scored lower, after the conversation as it really went: each user message followed by the reply chosen then.

A reply with the chosen one's own score lost a coin toss, not a comparison, and is counted as left out; so is everything
after a turn of which it cannot be told how the conversation went on.

**Personas are off.** The survey holds what people believe, and who they are. None of it reaches a pair unless `persona`
names it. "stated preferences" are ratings of how an assistant should be; "system string" is how the participant would
instruct one; "self-description" is free text on values and beliefs, where people write of religion, politics, health
and family: special categories of personal data in many laws, given for research on alignment. Age, gender, religion,
ethnicity and the like are never used. A persona stands in every prompt of its user, is what a federation learns to
obey, and is not protected by pair-level privacy.

The scores are of one moment and one screen, three fifths of the conversations are about values and controversies
because participants were asked for them, and length may explain a choice: compare with the length-only row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from shared.conversation import Conversation, Message, PreferencePair
from simulations.population.conversation_log import ConversationLog, in_time_order
from simulations.population.prism_records import (
    UTTERANCES_FILE,
    Participant,
    ScoredConversation,
    ScoredReply,
    ScoredTurn,
    check_utterances,
    read_participants,
    read_scored_conversations,
)
from simulations.population.recorded import RecordedPair, RecordedPopulation, group_by_user

NAME = "prism"

PersonaSource = Literal["none", "stated preferences", "system string", "self-description"]
Rejected = Literal["each", "lowest"]
LeftOut = Literal[
    "after a message without any text",
    "of a turn without one chosen reply",
    "of a turn whose chosen reply has no text",
    "after a turn that did not go on",
    "without any text",
    "the chosen text again",
    "tied with the chosen reply",
    "scored above the chosen reply",
    "not the lowest of its turn",
]
REASONS: tuple[LeftOut, ...] = get_args(LeftOut)

IMPORTANT, UNIMPORTANT = 75, 25  # of 100: a slider in the outer quarters says something
_WORDING = {
    "values": "reflects their values and culture",
    "fluency": "is well written",
    "factuality": "is factual and informative",
    "safety": "is safe and does no harm",
    "diversity": "gives several viewpoints",
    "creativity": "is creative and inspiring",
    "helpfulness": "is helpful and relevant",
    "personalisation": "is personal and learns from earlier conversations",
}


@dataclass(frozen=True, kw_only=True, repr=False)
class PrismData:
    """Attributes:
    population: a device for each participant who talked with a model; a pair's group is its conversation.
    conversations: the same participants' conversations as they went.
    """

    population: RecordedPopulation
    conversations: ConversationLog


def load_prism(directory: Path, *, persona: PersonaSource = "none", rejected: Rejected = "each") -> PrismData:
    """Pairs and conversations of `survey.jsonl` and `conversations.jsonl`.

    `utterances.jsonl` says the same as the conversations once more. Where it is, every row must agree with them.

    Args:
        directory: where the files are.
        persona: what of the survey becomes the persona of a user's pairs; see above before leaving "none".
        rejected: a pair for each reply that was scored below the chosen one, or for the lowest only (the first of
            several lowest).

    Raises:
        PreferenceFileError: malformed lines of one file, by file, line and field.
        OSError: a file is missing or cannot be read.
    """
    participants = read_participants(directory)
    scored = read_scored_conversations(directory, participants)
    utterances = check_utterances(directory, scored) if (directory / UTTERANCES_FILE).exists() else 0
    outcomes: Counter[LeftOut] = Counter()
    recorded: list[RecordedPair] = []
    went: dict[str, list[Conversation]] = {}
    chosen = unusable = 0
    for conversation in scored.values():
        user_id = conversation.user_id
        mine = went.setdefault(user_id, [])
        told = persona_of(participants[user_id], persona)
        for outcome, pair in scored_pairs(conversation, persona=told, rejected=rejected):
            if pair is not None:
                group = f"conversation {conversation.conversation_id}"
                recorded.append(RecordedPair(user_id=user_id, group=group, pair=pair))
            elif outcome is None:
                chosen += 1
            else:
                outcomes[outcome] += 1
        if messages := _as_it_went(conversation):
            mine.append(
                Conversation(
                    conversation_id=conversation.conversation_id, messages=messages, started=conversation.started
                )
            )
        else:
            unusable += 1
    read = {
        "participants": len(participants),
        "participants who only took the survey": sum(person.survey_only for person in participants.values()),
        "conversations": len(scored),
        "replies": sum(len(turn.replies) for one in scored.values() for turn in one.turns),
        "chosen replies of turns that went on": chosen,
        "utterances that agree with the conversations": utterances,
    }
    population = group_by_user(
        NAME,
        recorded,
        users_without_pairs=went,
        left_out={f"replies {reason}": outcomes[reason] for reason in REASONS},
        read=read,
    )
    log = ConversationLog(
        name=NAME,
        users=tuple(in_time_order(user_id, conversations) for user_id, conversations in went.items()),
        left_out={"conversations of which no turn went on": unusable},
        read=read,
    )
    return PrismData(population=population, conversations=log)


def scored_pairs(
    conversation: ScoredConversation, *, persona: str | None, rejected: Rejected = "each"
) -> Iterator[tuple[LeftOut | None, PreferencePair | None]]:
    """For every reply of a conversation: the pair in which it lost, or why there is none; a chosen one has neither."""
    prefix: list[Message] = []
    stopped = False
    for turn in conversation.turns:
        chosen = _chosen(turn.replies)
        blocked = "after a turn that did not go on" if stopped else _blocked(turn, chosen)
        if blocked is not None or chosen is None:
            stopped = True
            yield from ((blocked, None) for _ in turn.replies)
            continue
        prefix.append(Message(role="user", content=turn.content))
        lower = [reply for reply in turn.replies if _why_not(reply, chosen) is None and not reply.chosen]
        lowest = min(lower, key=lambda reply: reply.score, default=None)
        for reply in turn.replies:
            if reply.chosen:
                yield None, None
            elif (reason := _why_not(reply, chosen)) is not None:
                yield reason, None
            elif rejected == "lowest" and reply is not lowest:
                yield "not the lowest of its turn", None
            else:
                yield None, _pair(prefix, chosen, reply, persona)
        prefix.append(Message(role="assistant", content=chosen.content))


def persona_of(participant: Participant, source: PersonaSource) -> str | None:
    """What of a participant's survey becomes the persona; None where there is nothing to say."""
    if source == "self-description":
        return participant.self_description.strip() or None
    if source == "system string":
        return participant.system_string.strip() or None
    if source == "none":
        return None
    statements = []
    for name, wording in _WORDING.items():
        importance = participant.stated_preferences.get(name, 50)
        if importance >= IMPORTANT:
            statements.append(f"Finds it important that a reply {wording}.")
        elif importance <= UNIMPORTANT:
            statements.append(f"Does not mind whether a reply {wording}.")
    return " ".join(statements) or None


def _as_it_went(conversation: ScoredConversation) -> tuple[Message, ...]:
    """User messages with the chosen replies, up to the first turn that did not go on."""
    messages: list[Message] = []
    for turn in conversation.turns:
        chosen = _chosen(turn.replies)
        if chosen is None or _blocked(turn, chosen) is not None:
            break
        messages.append(Message(role="user", content=turn.content))
        messages.append(Message(role="assistant", content=chosen.content))
    return tuple(messages)


def _chosen(replies: tuple[ScoredReply, ...]) -> ScoredReply | None:
    """The chosen reply, the best scored of several with the same text; None where there is none or two texts are."""
    chosen = [reply for reply in replies if reply.chosen]
    if len({reply.content for reply in chosen}) != 1:
        return None
    return max(chosen, key=lambda reply: reply.score)


def _blocked(turn: ScoredTurn, chosen: ScoredReply | None) -> LeftOut | None:
    """Why it cannot be told how a turn went on."""
    if not turn.content.strip():
        return "after a message without any text"
    if chosen is None:
        return "of a turn without one chosen reply"
    return None if chosen.content.strip() else "of a turn whose chosen reply has no text"


def _why_not(reply: ScoredReply, chosen: ScoredReply) -> LeftOut | None:
    """Why a reply that was not chosen did not lose to the chosen one."""
    if not reply.content.strip():
        return "without any text"
    if reply.content == chosen.content:
        return "the chosen text again"
    if reply.score == chosen.score:
        return "tied with the chosen reply"
    return "scored above the chosen reply" if reply.score > chosen.score else None


def _pair(prefix: list[Message], chosen: ScoredReply, reply: ScoredReply, persona: str | None) -> PreferencePair:
    return PreferencePair(
        prompt=tuple(prefix),
        chosen=(Message(role="assistant", content=chosen.content),),
        rejected=(Message(role="assistant", content=reply.content),),
        persona=persona,
        origin="vote",
    )
