"""What UserEval asks on the embedded world: first turns, first turns with an explicit wish, and follow-up turns.

Users are held out, and so are topics, question wordings and feedback phrases. A user's persona comes from their log
alone, all of which lies before the first case: no persona has seen the conversation that it is tested on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from shared.conversation import Message
from simulations.population.embedded.conversations import style_missing
from simulations.population.embedded.followups import voice_feedback
from simulations.population.embedded.grammar import plan_reply, word_reply
from simulations.population.embedded.parser import read_reply
from simulations.population.embedded.style import AXES, Axis, Style
from simulations.population.embedded.topics import ask, topics
from simulations.rlhi.personas import SimulatedUser

Turn = Literal["first", "explicit", "follow-up"]
TURNS: tuple[Turn, ...] = ("first", "explicit", "follow-up")


@dataclass(frozen=True, kw_only=True, repr=False)
class Case:
    """One thing that a user asks.

    Attributes:
        user: place of the user.
        turn: "first": a question; "explicit": a question that also says how it is to be answered on one axis, whatever
            the user usually likes; "follow-up": feedback on a reply that missed the user's taste.
        prompt: the conversation, ending with the user's message; without persona.
        question: what it is about.
        wanted: the style that serves this user here: their own, with what was explicitly asked.
        asked: the stated need: axes and poles; empty in a first turn.
    """

    user: int
    turn: Turn
    prompt: tuple[Message, ...]
    question: str
    wanted: Style
    asked: dict[Axis, str]

    def __repr__(self) -> str:
        return f"Case(user={self.user}, turn={self.turn!r})"


@dataclass(frozen=True, kw_only=True)
class Marks:
    """A reply against a case.

    Attributes:
        personal: on how many axes that were not explicitly asked it is as the user wants; 0 if it makes no sense.
        followed: whether it makes sense and does what was explicitly asked (asked nothing, it has to make sense).
        overall: `followed` first, then all four axes: the order in which a reply is the better one.
        characters: its length.
    """

    personal: int
    followed: bool
    overall: int
    characters: int


def make_cases(users: Sequence[SimulatedUser], *, seed: int) -> list[Case]:
    """Three cases a user: one of each turn."""
    cases = []
    for place, one in enumerate(users):
        rng = Random(f"tacit user eval {seed} {one.user.identity}")
        pool = [topic for domain in one.user.interests for topic in topics(held_out=True, domain=domain)]
        chosen = rng.sample(pool, len(TURNS))
        for turn, topic in zip(TURNS, chosen, strict=True):
            question = ask(topic, rng, held_out=True)
            style = one.user.style
            if turn == "first":
                cases.append(_case(place, turn, (_user(question),), question, style, {}))
            elif turn == "explicit":
                axis = rng.choice(AXES)
                wanted = style.flipped(axis) if rng.random() < 0.5 else style
                asked: dict[Axis, str] = {axis: wanted[axis]}
                text = f"{question} {voice_feedback(asked, rng, held_out=True)}"
                cases.append(_case(place, turn, (_user(text),), question, wanted, asked))
            else:
                axes = rng.sample(AXES, rng.choice((1, 1, 2)))
                missed = style_missing(style, axes, rng)
                asked = {axis: style[axis] for axis in axes}
                prompt = (
                    _user(question),
                    Message(role="assistant", content=word_reply(plan_reply(topic, rng), missed)),
                    _user(voice_feedback(asked, rng, held_out=True)),
                )
                cases.append(_case(place, turn, prompt, question, style, asked))
    return cases


def mark(reply: str, case: Case) -> Marks:
    """A reply's marks by the world's own reader."""
    reading = read_reply(reply, case.question)
    met = reading.coherent and all(reading.poles[axis] == pole for axis, pole in case.asked.items())
    free = [axis for axis in AXES if axis not in case.asked]
    personal = sum(reading.poles[axis] == case.wanted[axis] for axis in free) if reading.coherent else 0
    return Marks(
        personal=personal,
        followed=met,
        overall=(len(AXES) + 1) * met + reading.fit(case.wanted),
        characters=len(reply),
    )


def _case(
    user: int, turn: Turn, prompt: tuple[Message, ...], question: str, wanted: Style, asked: dict[Axis, str]
) -> Case:
    return Case(user=user, turn=turn, prompt=prompt, question=question, wanted=wanted, asked=asked)


def _user(content: str) -> Message:
    return Message(role="user", content=content)
