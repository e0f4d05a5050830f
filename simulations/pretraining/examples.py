"""Pretraining examples: conversations of the embedded world and the pipeline's own tasks, on the pipeline's prompts.

First replies are mostly in ONE default style and seldom obey the persona, so that the base does not already do what a
federation is to teach it. Explicit requests and feedback are always obeyed. Held-out topics, persona wordings, feedback
phrases and question wordings never occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from client.prompts import (
    FollowUpKind,
    classify_follow_up,
    rewrite_with_feedback,
    state_persona,
    with_persona,
)
from shared.conversation import Message
from simulations.population.embedded.followups import say, voice_feedback
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.personas import describe, word_persona
from simulations.population.embedded.style import ALL_STYLES, AXES, Axis, Style, assistant_style
from simulations.population.embedded.topics import ask, topics

_OTHER_KINDS = (FollowUpKind.POSITIVE, FollowUpKind.CLARIFICATION, FollowUpKind.UNRELATED)
# What the assistant says to a follow-up that asks for nothing new.
_SHORT_ANSWERS: dict[FollowUpKind, str] = {
    FollowUpKind.POSITIVE: "You are welcome.",
    FollowUpKind.CLARIFICATION: "That is how it usually works. Ask again about any one point.",
    FollowUpKind.UNRELATED: "I see. Ask me whenever you need advice.",
}


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Shares of the kinds of example (they sum to 1) and of the styles of first replies."""

    chat: float = 0.30
    dialogue: float = 0.50
    classify: float = 0.06
    persona: float = 0.10
    small_talk: float = 0.04
    persona_shown: float = 0.6
    default_style: float = 0.45
    persona_obeyed: float = 0.18
    explicit_request: float = 0.15


@dataclass(frozen=True, kw_only=True, repr=False)
class Example:
    """A conversation and which of its messages are learned (assistant messages only)."""

    turns: tuple[Message, ...]
    scored: tuple[bool, ...]


def make_example(rng: Random, mixture: Mixture) -> Example:
    """An example of a kind drawn by the mixture."""
    draw = rng.random()
    for share, make in (
        (mixture.dialogue, _dialogue),
        (mixture.chat, _chat),
        (mixture.persona, _persona),
        (mixture.classify, _classify),
    ):
        if draw < share:
            return make(rng, mixture)
        draw -= share
    return _small_talk(rng, mixture)


def _chat(rng: Random, mixture: Mixture) -> Example:
    topic = rng.choice(topics(held_out=False))
    wanted, persona = _shown_persona(rng, mixture)
    style = _first_style(rng, mixture, wanted)
    question = ask(topic, rng)
    if rng.random() < mixture.explicit_request:
        asked = _some_axes(rng, rng.choice(ALL_STYLES))
        question = f"{question} {voice_feedback(asked, rng)}"
        style = _obeying(style, asked)
    turns = [_user(question), _assistant(word_reply(plan_reply(topic, rng), style))]
    if rng.random() < 0.2:  # a second, unrelated request: later turns keep to the same distribution
        topic = rng.choice(topics(held_out=False))
        reply = word_reply(plan_reply(topic, rng), _first_style(rng, mixture, wanted))
        turns += [_user(ask(topic, rng)), _assistant(reply)]
    return _all_scored(with_persona(turns, persona))


def _dialogue(rng: Random, mixture: Mixture) -> Example:
    """A request, a reply, feedback and the revision; at times feedback again."""
    topic = rng.choice(topics(held_out=False))
    wanted, persona = _shown_persona(rng, mixture)
    plan, style = plan_reply(topic, rng), _first_style(rng, mixture, wanted)
    turns = [_user(ask(topic, rng)), _assistant(word_reply(plan, style))]
    rounds = 2 if rng.random() < 0.25 else 1
    for _ in range(rounds):
        axes = rng.sample(AXES, rng.choice((1, 1, 1, 2, 2, 3)))
        asked: dict[Axis, str] = {axis: style.flipped(axis)[axis] for axis in axes}
        style = _obeying(style, asked)
        turns += [_user(voice_feedback(asked, rng)), _assistant(word_reply(plan, style))]
    if rng.random() < 0.5:
        return _all_scored(with_persona(turns, persona))
    # The pipeline's instruction speaks of the last reply only: nothing before it is learned under that instruction.
    prompt = rewrite_with_feedback(turns[:-2], turns[-2].content, persona)
    return _answer(prompt, turns[-1].content)


def _classify(rng: Random, mixture: Mixture) -> Example:
    topic = rng.choice(topics(held_out=False))
    style = _first_style(rng, mixture, None)
    kind = rng.choice(list(FollowUpKind))
    if kind is FollowUpKind.REATTEMPT:
        followup = voice_feedback(_some_axes(rng, style.flipped(*AXES)), rng)
    elif kind is FollowUpKind.NEW_REQUEST:
        followup = ask(rng.choice(topics(held_out=False)), rng)
    else:
        followup = say(kind, rng)
    conversation = [_user(ask(topic, rng)), _assistant(word_reply(plan_reply(topic, rng), style))]
    return _answer(classify_follow_up(conversation, followup), kind.value)


def _persona(rng: Random, _: Mixture) -> Example:
    """The user's messages of one to five conversations, and the persona that they reveal."""
    wanted = rng.choice(ALL_STYLES)
    known: dict[Axis, str] = {}
    said: list[list[Message]] = []
    for _conversation in range(rng.randint(1, 5)):
        turns = [_user(ask(rng.choice(topics(held_out=False)), rng))]
        if rng.random() < 0.6:
            asked = _some_axes(rng, wanted)
            known.update(asked)
            turns.append(_user(voice_feedback(asked, rng)))
        elif rng.random() < 0.5:
            turns.append(_user(say(rng.choice(_OTHER_KINDS), rng)))
        said.append(turns)
    return _answer(state_persona(said), describe(known))


def _small_talk(rng: Random, mixture: Mixture) -> Example:
    topic = rng.choice(topics(held_out=False))
    wanted, persona = _shown_persona(rng, mixture)
    kind = rng.choice(_OTHER_KINDS)
    turns = [
        _user(ask(topic, rng)),
        _assistant(word_reply(plan_reply(topic, rng), _first_style(rng, mixture, wanted))),
        _user(say(kind, rng)),
        _assistant(_SHORT_ANSWERS[kind]),
    ]
    return _all_scored(with_persona(turns, persona))


def _shown_persona(rng: Random, mixture: Mixture) -> tuple[Style | None, str | None]:
    if rng.random() >= mixture.persona_shown:
        return None, None
    wanted = rng.choice(ALL_STYLES)
    return wanted, word_persona(wanted, rng)


def _first_style(rng: Random, mixture: Mixture, wanted: Style | None) -> Style:
    return assistant_style(rng, wanted, default=mixture.default_style, obeying=mixture.persona_obeyed)


def _some_axes(rng: Random, wanted: Style) -> dict[Axis, str]:
    return {axis: wanted[axis] for axis in rng.sample(AXES, rng.choice((1, 1, 2)))}


def _obeying(style: Style, asked: dict[Axis, str]) -> Style:
    return style.flipped(*(axis for axis, pole in asked.items() if style[axis] != pole))


def _answer(prompt: Sequence[Message], answer: str) -> Example:
    turns = (*prompt, _assistant(answer))
    return Example(turns=turns, scored=(*(False for _ in prompt), True))


def _all_scored(turns: Sequence[Message]) -> Example:
    return Example(turns=tuple(turns), scored=tuple(message.role == "assistant" for message in turns))


def _user(content: str) -> Message:
    return Message(role="user", content=content)


def _assistant(content: str) -> Message:
    return Message(role="assistant", content=content)
