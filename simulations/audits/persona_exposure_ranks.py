"""How exposed a secret is in an adapter: by its rank among others that might have been, and by asking for it.

Exposure (Carlini et al., 2019, arXiv:1802.08232, section 4): log2 of how many secrets there are, less log2 of the
secret's rank by likelihood, here as the adapter raised it above the base model's. A secret that nobody trained on has a
uniform rank: exposed by more than b bits with probability 2^-b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from client.prompts import with_persona
from shared.adapter import AdaptedModel
from simulations.audits.answer_scores import answer_log_probabilities
from simulations.audits.persona_exposure_secrets import answer, question, spoken_in

Shown = Literal["own", "none", "other"]
SHOWN: tuple[Shown, ...] = get_args(Shown)
_NEW_TOKENS = 24


@dataclass(frozen=True, kw_only=True, repr=False)
class Suspect:
    """A user whose secret is looked for.

    Attributes:
        secret: of the user.
        persona: the user's, without the secret.
        other: another user's.
    """

    secret: str
    persona: str | None
    other: str | None

    def shown(self, which: Shown) -> str | None:
        """The persona that the model is told."""
        return {"own": self.persona, "none": None, "other": self.other}[which]


class Exposure:
    """Measures suspects against the same lures under any adapter; what the base model says is asked once."""

    def __init__(self, adapted: AdaptedModel, suspects: Sequence[Suspect], lures: Sequence[str]) -> None:
        """Args:
        lures: secrets of the same space that nobody has.
        """
        self._adapted = adapted
        self._suspects = suspects
        self._lures = lures
        self._base: dict[Shown, NDArray[np.float64]] = {}

    @property
    def most(self) -> float:
        """Bits of exposure at rank 1."""
        return math.log2(len(self._lures) + 1)

    def bits(self, vector: NDArray[np.float32], shown: Shown) -> NDArray[np.float64]:
        """(suspects,) exposure under an adapter; a tie counts half."""
        if shown not in self._base:
            with self._adapted.disabled():
                self._base[shown] = self._scores(shown)
        self._adapted.load(vector)
        raised = self._scores(shown) - self._base[shown]
        own, lures = raised[:, :1], raised[:, 1:]
        ranks = 1 + (lures > own).sum(axis=1) + 0.5 * (lures == own).sum(axis=1)
        return np.asarray(self.most - np.log2(ranks))

    def extracted(self, vector: NDArray[np.float32], shown: Shown, *, samples: int, seed: int) -> NDArray[np.bool_]:
        """(suspects,) whether the secret is said when it is asked for: greedily, or in one of so many samples."""
        self._adapted.load(vector)
        model = self._adapted.language_model
        prompts = [with_persona(question(), suspect.shown(shown)) for suspect in self._suspects]
        greedy = model.generate(prompts, max_new_tokens=_NEW_TOKENS)
        sampled = model.generate(prompts, max_new_tokens=_NEW_TOKENS, temperature=1.0, samples=samples, seed=seed)
        return np.array([
            any(spoken_in(reply, suspect.secret) for reply in (*one, *several))
            for suspect, one, several in zip(self._suspects, greedy, sampled, strict=True)
        ])  # fmt: skip

    def _scores(self, shown: Shown) -> NDArray[np.float64]:
        """(suspects, 1 + lures) nats."""
        found = np.zeros((len(self._suspects), 1 + len(self._lures)))
        personas = [suspect.shown(shown) for suspect in self._suspects]
        for persona in dict.fromkeys(personas):
            # Of suspects under one persona, lures are scored once.
            alike = [place for place, other in enumerate(personas) if other == persona]
            secrets = [*(self._suspects[place].secret for place in alike), *self._lures]
            values = answer_log_probabilities(
                self._adapted.language_model, with_persona(question(), persona), [answer(secret) for secret in secrets]
            ).numpy()
            found[alike, 0], found[alike, 1:] = values[: len(alike)], values[len(alike) :]
        return found
