"""Users, made one at a time from a seed: what each prefers, how their persona is worded, and what they ask about."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

from simulations.population.embedded.personas import word_persona
from simulations.population.embedded.style import ALL_STYLES, TRAINING_STYLES, UNSEEN_STYLES, Style
from simulations.population.embedded.topics import domains

Split = Literal["train", "tuning", "reporting"]
INTERESTS = 4


@dataclass(frozen=True, kw_only=True)
class User:
    """A simulated person.

    Attributes:
        identity: unique over splits and seeds.
        style: the true preference on the four axes.
        persona: the preference in words, as a system prompt would hold it.
        interests: names of the domains the user asks about.
        held_out_wording: whether `persona` is in words that no pretraining and no training user's persona holds.
        held_out_phrases: whether what the user says is in phrases that no pretraining held.
    """

    identity: str
    style: Style
    persona: str
    interests: tuple[str, ...]
    held_out_wording: bool
    held_out_phrases: bool = False

    @property
    def unseen_style(self) -> bool:
        """Whether no training user has this combination of poles."""
        return self.style in UNSEEN_STYLES


def make_user(seed: int, split: Split, index: int) -> User:
    """User `index` of a split. Splits never share a user: the identity, which seeds everything, contains the split.

    Training users have one of twelve styles and everyday persona wordings. Tuning and reporting users have any of the
    sixteen styles, a quarter of them unseen, and every second one's persona is in held-out wordings.
    """
    identity = f"{split}-{seed}-{index}"
    rng = Random(f"tacit user {identity}")
    held_out_wording = split != "train" and index % 2 == 1
    style = rng.choice(TRAINING_STYLES if split == "train" else ALL_STYLES)
    return User(
        identity=identity,
        style=style,
        persona=word_persona(style, rng, held_out=held_out_wording),
        interests=tuple(rng.sample(list(domains()), INTERESTS)),
        held_out_wording=held_out_wording,
    )
