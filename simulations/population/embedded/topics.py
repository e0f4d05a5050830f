"""What the world talks about: domains with advice, subjects with a fact each, and situations.

A topic is a subject in a situation ("basil", "on a balcony"). One situation of every subject is held out: it never
occurs in pretraining nor in any user's conversations, only in evaluation questions.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

# (everyday wording, specialist wording)
Wordings = tuple[str, str]

QUESTIONS: tuple[str, ...] = (
    "How do I {verb} {name}?",
    "What is the best way to {verb} {name}?",
    "Can you help me {verb} {name}?",
    "I want to {verb} {name}. Any advice?",
    "What should I know about {gerund} {name}?",
    "Tell me about {gerund} {name}.",
)
HELD_OUT_QUESTIONS: tuple[str, ...] = (
    "Can you tell me how to {verb} {name}?",
    "Any advice about {gerund} {name}?",
    "I want to know the best way to {verb} {name}.",
)


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A field of advice: what one does with its subjects, and what is worth saying about any of them."""

    name: str
    verb: str
    gerund: str
    situations: tuple[str, ...]
    advice: tuple[Wordings, ...]
    facts: dict[str, Wordings]


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A subject of a domain, in a situation."""

    domain: str
    subject: str
    situation: str

    @property
    def name(self) -> str:
        return f"{self.subject} {self.situation}"

    @property
    def activity(self) -> str:
        """The topic as an activity: "growing basil on a balcony"."""
        return f"{domains()[self.domain].gerund} {self.name}"


@cache
def domains() -> dict[str, Domain]:
    """All domains by name."""
    table = tomllib.loads(files(__package__).joinpath("topics.toml").read_text(encoding="utf-8"))
    return {
        name: Domain(
            name=name,
            verb=str(entry["verb"]),
            gerund=str(entry["gerund"]),
            situations=tuple(entry["situations"]),
            advice=tuple((plain, expert) for plain, expert in entry["advice"]),
            facts={subject: (plain, expert) for subject, (plain, expert) in entry["subjects"].items()},
        )
        for name, entry in table.items()
    }


@cache
def topics(*, held_out: bool, domain: str | None = None) -> tuple[Topic, ...]:
    """The topics of all domains, or of one: those seen in training, or those kept for evaluation."""
    found = []
    for name, entry in domains().items():
        if domain not in (None, name):
            continue
        for row, subject in enumerate(entry.facts):
            for column, situation in enumerate(entry.situations):
                if ((row + column) % len(entry.situations) == 0) == held_out:
                    found.append(Topic(domain=name, subject=subject, situation=situation))
    return tuple(found)


def ask(topic: Topic, rng: Random, *, held_out: bool = False) -> str:
    """A question about the topic, in a wording of the training or of the held-out kind."""
    domain = domains()[topic.domain]
    wording = rng.choice(HELD_OUT_QUESTIONS if held_out else QUESTIONS)
    return wording.format(verb=domain.verb, gerund=domain.gerund, name=topic.name)
