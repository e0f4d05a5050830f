"""Personas in words: what a user prefers on each axis, as statements about the user."""

from __future__ import annotations

from random import Random

from simulations.population.embedded.style import AXES, POLES, Axis, Style

# (axis, pole) → wordings. The first is the one a stated persona is written in (see `describe`).
WORDINGS: dict[tuple[Axis, str], tuple[str, ...]] = {
    ("expertise", "expert"): (
        "Is an expert and wants technical terms.",
        "Works in the field and expects technical language.",
        "Knows the subject well and likes precise terms.",
        "Wants specialist vocabulary.",
        "Has expert knowledge.",
        "Prefers technical explanations.",
    ),
    ("expertise", "plain"): (
        "Is a beginner and wants plain words.",
        "Is new to the field and expects simple language.",
        "Knows little about the subject and likes everyday words.",
        "Wants no jargon.",
        "Has beginner knowledge.",
        "Prefers simple explanations.",
    ),
    ("informativeness", "detailed"): (
        "Likes detailed answers.",
        "Wants full and long answers.",
        "Expects thorough replies with every detail.",
        "Has time to read and wants all the detail.",
        "Prefers long explanations.",
        "Never minds a long reply.",
    ),
    ("informativeness", "concise"): (
        "Likes short answers.",
        "Wants brief and quick answers.",
        "Expects concise replies with only the essentials.",
        "Has no time to read and wants only the point.",
        "Prefers brief explanations.",
        "Cannot stand a wordy reply.",
    ),
    ("tone", "formal"): (
        "Prefers a formal tone.",
        "Wants a serious and professional manner.",
        "Expects formal replies.",
        "Likes a polite and sober voice.",
        "Is put off by chatty talk.",
        "Likes to be addressed formally.",
    ),
    ("tone", "friendly"): (
        "Prefers a friendly tone.",
        "Wants a warm and casual manner.",
        "Expects friendly replies.",
        "Likes a cheerful and relaxed voice.",
        "Is put off by stiff talk.",
        "Likes to be addressed as a friend.",
    ),
    ("structure", "list"): (
        "Wants bullet points.",
        "Likes replies as a list.",
        "Prefers lists to paragraphs.",
        "Reads bulleted lists best.",
        "Expects a list of points.",
        "Needs points one under the other.",
    ),
    ("structure", "prose"): (
        "Wants flowing text.",
        "Likes replies as a paragraph.",
        "Prefers paragraphs to lists.",
        "Reads running prose best.",
        "Expects a paragraph of text.",
        "Needs text without bullets.",
    ),
}
HELD_OUT_WORDINGS: dict[tuple[Axis, str], tuple[str, ...]] = {
    ("expertise", "expert"): ("Likes technical terms and knows the field.", "Expects expert vocabulary."),
    ("expertise", "plain"): ("Likes plain words and is new to the subject.", "Expects everyday vocabulary."),
    ("informativeness", "detailed"): ("Likes thorough and long replies.", "Wants every detail."),
    ("informativeness", "concise"): ("Likes concise and quick replies.", "Wants only the short point."),
    ("tone", "formal"): ("Wants a formal and polite voice.", "Likes professional replies."),
    ("tone", "friendly"): ("Wants a friendly and relaxed voice.", "Likes warm replies."),
    ("structure", "list"): ("Prefers bulleted points.", "Wants a list, not a paragraph."),
    ("structure", "prose"): ("Prefers running text.", "Wants a paragraph, not a list."),
}
NOTHING_KNOWN = "Nothing is known yet."


def word_persona(style: Style, rng: Random, *, held_out: bool = False) -> str:
    """A persona that states every axis, in random order and wording."""
    wordings = HELD_OUT_WORDINGS if held_out else WORDINGS
    axes = list(AXES)
    rng.shuffle(axes)
    return " ".join(rng.choice(wordings[axis, style[axis]]) for axis in axes)


def describe(known: dict[Axis, str]) -> str:
    """The persona as the pipeline states it, from the axes that the user's messages revealed."""
    statements = [WORDINGS[axis, known[axis]][0] for axis in AXES if axis in known]
    return " ".join(statements) if statements else NOTHING_KNOWN


def read_persona(text: str) -> dict[Axis, str]:
    """The axes a persona states, by its wordings. An axis stated both ways, or not at all, is left out."""
    found: dict[Axis, str] = {}
    for axis in AXES:
        stated = [
            pole
            for pole in POLES[axis]
            if any(wording in text for table in (WORDINGS, HELD_OUT_WORDINGS) for wording in table[axis, pole])
        ]
        if len(stated) == 1:
            found[axis] = stated[0]
    return found
