"""Which taste an English statement is about: the paper's four axes, two poles each.

Needed to notice that "Likes short answers." and "Wants every detail." contradict each other. A statement in other words
or another language is an open preference: it is kept and shown to the model as it is, and contradicts only its like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Axis(StrEnum):
    """What users differ in (arXiv:2509.25137, section 2)."""

    EXPERTISE = "expertise"
    INFORMATIVENESS = "informativeness"
    TONE = "tone"
    STRUCTURE = "structure"


@dataclass(frozen=True, kw_only=True)
class Taste:
    """An axis and the pole wanted on it."""

    axis: Axis
    pole: str


_CUES: dict[Axis, dict[str, str]] = {
    Axis.EXPERTISE: {
        "expert": r"experts?|technical\w*|specialists?|specialised|specialized|jargon|precise terms?"
        r"|works in (?:the|this) field|knows (?:the|this) (?:field|subject)|advanced|in-depth knowledge|proficient",
        "plain": r"beginners?|novices?|newcomers?|lay(?:man|person|people)|plain (?:words?|language)"
        r"|simple (?:words?|language|explanations?|terms?)|everyday (?:words?|language|vocabulary)"
        r"|new to (?:the|this)|non-?technical|knows little|basics",
    },
    Axis.INFORMATIVENESS: {
        "detailed": r"detail(?:s|ed)?|thorough(?:ly)?|long(?:er)?|lengthy|wordy|full(?:er)?|in[- ]depth|comprehensive"
        r"|elaborate|exhaustive|verbose",
        "concise": r"short(?:er)?|brief(?:ly)?|concise(?:ly)?|succinct|quick|terse|to the point"
        r"|only the (?:point|essentials|short point)|key points|summar(?:y|ies|ised|ized)|minimal",
    },
    Axis.TONE: {
        "formal": r"formal(?:ly)?|professional(?:ly)?|serious|polite|sober|stiff|business-?like|academic tone",
        "friendly": r"friendly|friend|casual(?:ly)?|warm|cheerful|relaxed|informal|chatty|playful|humou?r\w*"
        r"|conversational",
    },
    Axis.STRUCTURE: {
        "list": r"bullet(?:s|ed)?(?: points?| lists?)?|lists?|numbered|headings?|tables?|step[- ]by[- ]step"
        r"|point by point|points one under the other|structured",
        "prose": r"paragraphs?|prose|flowing|running text|full sentences|narrative|essay",
    },
}
_CUE = {(axis, pole): re.compile(rf"\b(?:{words})\b") for axis, poles in _CUES.items() for pole, words in poles.items()}
# Turns a cue into its opposite when it stands at most four words before it.
_NEGATION = re.compile(
    r"\b(?:no|not|never(?! minds?\b)|without|avoids?|less|dislikes?|hates?|put off by|cannot stand|can't stand"
    r"|too|rather than|instead of|over|tired of|does not want|doesn't want)\s+(?:\w+[\s-]+){0,3}$"
)


def read_taste(statement: str) -> Taste | None:
    """The taste that a statement is about; None where it names none.

    Of several axes the one with most cues counts, of as many the first; of both poles likewise ("lists to paragraphs").
    """
    text = statement.lower().replace("’", "'")
    found: list[tuple[int, Axis, str]] = []
    for (axis, pole), cue in _CUE.items():
        for match in cue.finditer(text):
            before = text[: match.start()]
            found.append((match.start(), axis, _other(axis, pole) if _NEGATION.search(before) else pole))
    counts = {axis: sum(one == axis for _, one, _ in found) for axis in {axis for _, axis, _ in found}}
    if not counts:
        return None
    most = max(counts.values())
    leaders = [axis for axis, count in counts.items() if count == most]
    axis = min(leaders, key=lambda one: min(place for place, other, _ in found if other == one))
    poles = [pole for _, one, pole in sorted(found) if one == axis]
    agreed = max(set(poles), key=lambda pole: (poles.count(pole), pole == poles[0]))
    return Taste(axis=axis, pole=agreed)


def _other(axis: Axis, pole: str) -> str:
    first, second = _CUES[axis]
    return second if pole == first else first
