"""The four axes of a reply's style (expertise, informativeness, tone, structure), two poles each: sixteen styles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, get_args

Axis = Literal["expertise", "informativeness", "tone", "structure"]
AXES: tuple[Axis, ...] = get_args(Axis)

POLES: dict[Axis, tuple[str, str]] = {
    "expertise": ("expert", "plain"),
    "informativeness": ("detailed", "concise"),
    "tone": ("formal", "friendly"),
    "structure": ("list", "prose"),
}


@dataclass(frozen=True, kw_only=True)
class Style:
    """One pole of every axis. The first pole of each is what a stock assistant does."""

    expertise: str = "expert"
    informativeness: str = "detailed"
    tone: str = "formal"
    structure: str = "list"

    def __post_init__(self) -> None:
        for axis in AXES:
            if self[axis] not in POLES[axis]:
                raise ValueError(f"{axis} must be one of {', '.join(POLES[axis])}")

    def __getitem__(self, axis: Axis) -> str:
        pole: str = getattr(self, axis)
        return pole

    def flipped(self, *axes: Axis) -> Style:
        """The style with the other pole on each of `axes`."""
        return replace(self, **{axis: opposite(axis, self[axis]) for axis in axes})

    def towards(self, other: Style, *axes: Axis) -> Style:
        """The style with `other`'s pole on each of `axes`."""
        return replace(self, **{axis: other[axis] for axis in axes})

    def differing(self, other: Style) -> tuple[Axis, ...]:
        """The axes on which the two styles differ."""
        return tuple(axis for axis in AXES if self[axis] != other[axis])


def opposite(axis: Axis, pole: str) -> str:
    """The other pole of `axis`."""
    first, second = POLES[axis]
    return second if pole == first else first


DEFAULT_STYLE = Style()
ALL_STYLES: tuple[Style, ...] = tuple(
    Style(**dict(zip(AXES, poles, strict=True))) for poles in itertools.product(*(POLES[axis] for axis in AXES))
)
# Four combinations that no training user prefers; each pole occurs in two of them, so what remains stays balanced.
UNSEEN_STYLES: tuple[Style, ...] = (
    DEFAULT_STYLE.flipped("expertise", "informativeness"),
    DEFAULT_STYLE.flipped("tone", "structure"),
    DEFAULT_STYLE.flipped("expertise", "tone"),
    DEFAULT_STYLE.flipped("informativeness", "structure"),
)
TRAINING_STYLES: tuple[Style, ...] = tuple(style for style in ALL_STYLES if style not in UNSEEN_STYLES)


def assistant_style(rng: Random, persona: Style | None = None, *, default: float = 0.45, obeying: float = 0.0) -> Style:
    """The style in which the logged assistant answers: mostly its default, at times the persona's, else any.

    Args:
        persona: the style the persona asks for, or None.
        default, obeying: probabilities of the default style and, given a persona, of obeying it.
    """
    draw = rng.random()
    if draw < default:
        return DEFAULT_STYLE
    if persona is not None and draw < default + obeying:
        return persona
    return rng.choice(ALL_STYLES)
