"""Replies: what is said (a plan of advice and a fact) and how (a style). One plan can be worded in every style."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulations.population.embedded.style import Style
from simulations.population.embedded.topics import Topic, domains

# Length and tone show in the very first words: a model decides them before it has listed anything.
OPENERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("formal", "detailed"): (
        "The following is a full account of {activity}.",
        "A thorough overview of {activity} is given below.",
    ),
    ("formal", "concise"): (
        "In brief, regarding {activity}.",
        "To summarise, regarding {activity}.",
    ),
    ("friendly", "detailed"): (
        "Great question, let's dig into {activity}!",
        "Sure, let's go through {activity} together!",
    ),
    ("friendly", "concise"): (
        "Quick tip on {activity}!",
        "Short and sweet on {activity}!",
    ),
}
CLOSERS: dict[str, tuple[str, ...]] = {
    "formal": ("Further detail is available upon request.", "Please consult a professional where necessary."),
    "friendly": ("You've got this!", "Have fun with it!"),
}
CONNECTIVES: dict[str, tuple[str, ...]] = {
    "formal": ("Firstly, ", "Secondly, ", "Furthermore, ", "Moreover, ", "Finally, "),
    "friendly": ("First off, ", "Then ", "Oh, and ", "Plus, ", "And hey, "),
}
FACT_PREFIX = "note that "
CONCISE_ITEMS = 2
DETAILED_ITEMS = 4


@dataclass(frozen=True, kw_only=True)
class ReplyPlan:
    """What a reply says, whatever its style: the topic, an order of the domain's advice, and choices of wording.

    A detailed reply says the first three pieces of advice and then the subject's fact; a concise one, the first two.
    """

    topic: Topic
    advice: tuple[int, ...]
    opener: int
    closer: int


def plan_reply(topic: Topic, rng: Random) -> ReplyPlan:
    """A reply's content, drawn at random."""
    order = list(range(len(domains()[topic.domain].advice)))
    rng.shuffle(order)
    return ReplyPlan(topic=topic, advice=tuple(order), opener=rng.randrange(2), closer=rng.randrange(2))


def word_reply(plan: ReplyPlan, style: Style) -> str:
    """The text of the reply in a style."""
    domain = domains()[plan.topic.domain]
    form = 1 if style.expertise == "expert" else 0
    items = [domain.advice[index][form] for index in plan.advice]
    if style.informativeness == "concise":
        items = items[:CONCISE_ITEMS]
    else:
        items = [*items[: DETAILED_ITEMS - 1], FACT_PREFIX + domain.facts[plan.topic.subject][form]]
    opener = OPENERS[style.tone, style.informativeness][plan.opener].format(activity=plan.topic.activity)
    if style.structure == "list":
        body = "".join(f"\n- {item}" for item in items)
    else:
        body = "".join(f" {word}{item}." for word, item in zip(CONNECTIVES[style.tone], items, strict=False))
    if style.informativeness == "concise":
        return opener + body
    separator = "\n" if style.structure == "list" else " "
    return opener + body + separator + CLOSERS[style.tone][plan.closer]
