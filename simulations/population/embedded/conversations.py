"""A user's logged conversations: a request, the assistant's reply, what the user says next, and the revised reply.

The log comes from an assistant that mostly answers in its default style. After 26.51 % of replies the user voices real
dissatisfaction (the rate RLHI reports for WildChat): the reply misses the user's preference, the follow-up says on
which axes, and the revised reply mends exactly those. The complained-about axis is drawn evenly, so over users the
rewrites point to each pole of each axis equally often and learning from them is no drift away from the default style.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from client.prompts import FollowUpKind
from simulations.population.embedded.followups import say, voice_feedback
from simulations.population.embedded.grammar import ReplyPlan, plan_reply, word_reply
from simulations.population.embedded.style import AXES, Axis, Style, assistant_style
from simulations.population.embedded.topics import ask, topics
from simulations.population.embedded.users import User

DISSATISFACTION_RATE = 0.2651
# What the rest of the follow-ups are; the remaining share is new requests.
_OTHER_KINDS: tuple[tuple[FollowUpKind, float], ...] = (
    (FollowUpKind.POSITIVE, 0.14),
    (FollowUpKind.CLARIFICATION, 0.16),
    (FollowUpKind.UNRELATED, 0.05),
)
_TWO_AXES = 0.4


@dataclass(frozen=True, kw_only=True, repr=False)
class Exchange:
    """One exchange of the log and the truth behind it.

    Attributes:
        question, reply, followup: the turns.
        kind: what the follow-up is.
        asked: the axes and poles that a dissatisfied follow-up asks for; empty otherwise.
        style, plan: the reply's style and content.
        revision: the revised reply after dissatisfaction, else None.
    """

    question: str
    reply: str
    followup: str
    kind: FollowUpKind
    asked: dict[Axis, str]
    style: Style
    plan: ReplyPlan
    revision: str | None


def conversations(user: User) -> Iterator[Exchange]:
    """The user's log, without end. Conversation k never depends on how many are drawn."""
    for index in count():
        yield conversation(user, Random(f"tacit conversation {user.identity}-{index}"))


def conversation(user: User, rng: Random) -> Exchange:
    """One logged exchange of the user, on a training topic of one of the user's interests.

    Users of `held_out_phrases` speak in questions, feedback and small talk that pretraining never saw.
    """
    held_out = user.held_out_phrases
    topic = rng.choice(topics(held_out=False, domain=rng.choice(user.interests)))
    plan, question = plan_reply(topic, rng), ask(topic, rng, held_out=held_out)
    dissatisfied = rng.random() < DISSATISFACTION_RATE
    if dissatisfied:
        axes = rng.sample(AXES, 2 if rng.random() < _TWO_AXES else 1)
        style = style_missing(user.style, axes, rng)
        asked = {axis: user.style[axis] for axis in axes}
        return Exchange(
            question=question,
            reply=word_reply(plan, style),
            followup=voice_feedback(asked, rng, held_out=held_out),
            kind=FollowUpKind.REATTEMPT,
            asked=asked,
            style=style,
            plan=plan,
            revision=word_reply(plan, style.towards(user.style, *axes)),
        )
    style = assistant_style(rng)
    draw = rng.random()
    for kind, share in _OTHER_KINDS:
        if draw < share:
            followup = say(kind, rng, held_out=held_out)
            break
        draw -= share
    else:
        kind = FollowUpKind.NEW_REQUEST
        topic = rng.choice(topics(held_out=False, domain=rng.choice(user.interests)))
        followup = ask(topic, rng, held_out=held_out)
    return Exchange(
        question=question,
        reply=word_reply(plan, style),
        followup=followup,
        kind=kind,
        asked={},
        style=style,
        plan=plan,
        revision=None,
    )


def style_missing(wanted: Style, axes: list[Axis], rng: Random) -> Style:
    """A style of the logged assistant, given that it misses `wanted` on each of `axes`."""
    while True:
        style = assistant_style(rng)
        if all(style[axis] != wanted[axis] for axis in axes):
            return style
