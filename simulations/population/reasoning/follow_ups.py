"""What a simulated user says of a solution: where its first wrong step is, and at times why."""

from __future__ import annotations

from random import Random

_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth"),
)
_QUOTED_CHARACTERS = 60

# {number} is the step's, {ordinal} the same in words, {quote} how the step begins, {reason} a clause.
WHERE = (
    "Step {number} is wrong.",
    "I think step {number} is not right. Please do it again from there.",
    "That goes wrong in the {ordinal} step.",
    "Please check step {number} once more.",
    "There is a mistake in step {number}.",
    "Up to the {ordinal} step I can follow you, but that one is wrong.",
    "Look at step {number} again, that cannot be right.",
    "Your {ordinal} step has an error. Can you correct the solution?",
    "The mistake starts at step {number}.",
    'I do not agree with step {number}, "{quote}".',
    "No, the {ordinal} step is incorrect.",
    "Can you redo it from step {number} on? That step is off.",
)
WHY = (
    "Step {number} is wrong: {reason}.",
    "In step {number} {reason}.",
    "There is a mistake in the {ordinal} step, {reason}.",
    "I think {reason} in step {number}. Please correct it.",
    "Look at step {number} again: {reason}.",
    "The {ordinal} step is not right, because {reason}.",
    "That cannot be right. In the {ordinal} step {reason}.",
    "Please redo it from step {number}, since {reason}.",
    "Wait, {reason} in the {ordinal} step.",
    "Up to the {ordinal} step it is fine, but there {reason}.",
)
HELD_OUT_WHERE = (
    "Hmm, something is off in step {number}.",
    "Have another look at the {ordinal} step, I get something else there.",
    "You lost me at step {number}. It is not correct.",
    "Everything before step {number} looks good, and then it breaks.",
)
HELD_OUT_WHY = (
    "Hmm, step {number} is off, I believe {reason}.",
    "Have another look at the {ordinal} step. It seems that {reason}.",
    "It breaks at step {number}, where {reason}.",
    "Not quite: {reason}, and that is the {ordinal} step.",
)


def point_at(step: int, rng: Random, *, text: str, reason: str | None = None, held_out: bool = False) -> str:
    """A follow-up that names one step.

    Args:
        step: its place, from 0.
        rng: of the wording.
        text: the step's own text, which may be quoted in part.
        reason: what is wrong with it, as a clause; None where the user does not say, or does not know.
        held_out: wordings that training does not use.
    """
    where, why = (HELD_OUT_WHERE, HELD_OUT_WHY) if held_out else (WHERE, WHY)
    wording = rng.choice(where if reason is None else why)
    quote = " ".join(text.split())
    if len(quote) > _QUOTED_CHARACTERS:
        quote = quote[:_QUOTED_CHARACTERS].rsplit(" ", 1)[0] + " ..."
    said = wording.format(number=step + 1, ordinal=_ordinal(step), quote=quote, reason=reason)
    return said[0].upper() + said[1:]


def _ordinal(step: int) -> str:
    if step < len(_ORDINALS):
        return _ORDINALS[step]
    number = step + 1
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
