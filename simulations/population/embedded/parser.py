"""Style and sense of a reply, read from its text: the world's judge.

The parser knows the vocabulary of the grammar but not the plan, the style or the persona behind a reply. It counts what
was really said: a reply that opens with "In brief" and then lists four things is detailed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from simulations.population.embedded.grammar import CLOSERS, CONCISE_ITEMS, CONNECTIVES, FACT_PREFIX, OPENERS
from simulations.population.embedded.style import AXES, Axis, Style
from simulations.population.embedded.topics import Topic, domains, topics

_BULLET = "- "
_FRIENDLY = re.compile(r"!|\b(?:let's|you've|oh|hey|sure|plus|great|quick|sweet|first off)\b", re.IGNORECASE)
_FORMAL = re.compile(
    r"\b(?:the following|thorough|regarding|firstly|secondly|furthermore|moreover|finally"
    r"|upon request|please consult)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the parser found in a reply.

    Attributes:
        poles: per axis the pole found, or None where the text does not tell.
        coherent: every sentence is one the world knows, none is repeated, the reply is complete, and it is about what
            was asked: its topic is named, its advice is of the topic's domain and its fact of the topic's subject.
    """

    poles: dict[Axis, str | None]
    coherent: bool

    def fit(self, wanted: Style) -> int:
        """On how many of the four axes the reply is as wanted; 0 for an incoherent reply."""
        if not self.coherent:
            return 0
        return sum(self.poles[axis] == wanted[axis] for axis in AXES)


def read_reply(reply: str, question: str) -> Reading:
    """Read a reply to a question."""
    topic = topic_of(question)
    opener, items, closer = _split(reply)
    known = [_items()[item] for item in items if item in _items()]
    forms = {form for _, _, _, form in known}
    friendly, formal = len(_FRIENDLY.findall(reply)), len(_FORMAL.findall(reply))
    poles: dict[Axis, str | None] = {
        "expertise": forms.pop() if len(forms) == 1 else None,
        "informativeness": None if not items else "concise" if len(items) <= CONCISE_ITEMS else "detailed",
        "tone": "friendly" if friendly > formal else "formal" if formal > friendly else None,
        "structure": _structure(reply),
    }
    coherent = (
        topic is not None
        and bool(items)
        and len(known) == len(items)
        and len({(domain, key) for domain, key, _, _ in known}) == len(items)
        and all(domain == topic.domain for domain, _, _, _ in known)
        and all(subject in (None, topic.subject) for _, _, subject, _ in known)
        and opener in _openers(topic)
        and closer in _closers()
    )
    return Reading(poles=poles, coherent=coherent)


def topic_of(question: str) -> Topic | None:
    """The topic a text is about, when it names exactly one subject in one of its situations."""
    found = [topic for topic in _all_topics() if topic.name in question]
    return found[0] if len(found) == 1 else None


def _structure(reply: str) -> str | None:
    lines = reply.split("\n")
    bullets = sum(line.startswith(_BULLET) for line in lines)
    if bullets >= 2:
        return "list"
    return "prose" if bullets == 0 and len(lines) == 1 else None


def _split(reply: str) -> tuple[str, list[str], str]:
    """(opener, items without bullet or connective, closer)."""
    if "\n" in reply:
        opener, *lines = reply.split("\n")
        rest = [line for line in lines if not line.startswith(_BULLET)]
        bullets = [line.removeprefix(_BULLET) for line in lines if line.startswith(_BULLET)]
        return opener, bullets, "\n".join(rest)
    sentences = re.findall(r"[^.!]+[.!]?", reply)
    sentences = [sentence.strip() for sentence in sentences if sentence.strip()]
    if not sentences:
        return "", [], ""
    opener, *rest = sentences
    items: list[str] = []
    tail: list[str] = []
    for sentence in rest:
        connective = next((word for word in _connectives() if sentence.startswith(word)), None)
        if connective is None or tail:
            tail.append(sentence)
        elif sentence.endswith("."):
            items.append(sentence.removeprefix(connective).removesuffix("."))
        else:
            tail.append(sentence)
    return opener, items, " ".join(tail)


@cache
def _items() -> dict[str, tuple[str, str, str | None, str]]:
    """Wording → (domain, which item, the subject it is about if only one, pole of expertise)."""
    table: dict[str, tuple[str, str, str | None, str]] = {}
    for name, domain in domains().items():
        for index, (plain, expert) in enumerate(domain.advice):
            table[plain] = (name, f"advice {index}", None, "plain")
            table[expert] = (name, f"advice {index}", None, "expert")
        for subject, (plain, expert) in domain.facts.items():
            table[FACT_PREFIX + plain] = (name, f"fact {subject}", subject, "plain")
            table[FACT_PREFIX + expert] = (name, f"fact {subject}", subject, "expert")
    return table


@cache
def _all_topics() -> tuple[Topic, ...]:
    return topics(held_out=False) + topics(held_out=True)


@cache
def _openers(topic: Topic) -> frozenset[str]:
    return frozenset(text.format(activity=topic.activity) for texts in OPENERS.values() for text in texts)


@cache
def _closers() -> frozenset[str]:
    return frozenset({"", *(text for texts in CLOSERS.values() for text in texts)})


@cache
def _connectives() -> tuple[str, ...]:
    return tuple(sorted((word for words in CONNECTIVES.values() for word in words), key=len, reverse=True))
