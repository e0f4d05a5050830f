"""A follow-up classifier that needs no language model: hashed features, a linear layer, a softmax.

Its weights lie beside this module and are made by `simulations.evaluation.followup_training`, which says from what.
It costs a millisecond or so a follow-up and no accelerator. What it can tell is measured by
`simulations.evaluation.followup_classification`; of languages it knows English best, and German, Japanese and Arabic a
little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from client.followups import FollowUp, FollowUpKind, FollowUpLabel
from client.followups.features import FEATURES_VERSION, RELATION_COUNT, Features, follow_up_features

WEIGHTS_FILE = Path(__file__).with_name("light.safetensors")
KINDS: tuple[FollowUpKind, ...] = tuple(FollowUpKind)

# Of RealHumanEval's training users' re-attempts (the packaged weights were fitted on none of them) 32 % are claimed at
# this confidence, and 92 % of what is claimed is one; with any confidence 58 % and 79 %.
CAREFUL_CONFIDENCE = 0.8


class LightWeightsError(RuntimeError):
    """The light classifier's weights are missing, damaged or made for another version. Says what to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LightWeights:
    """A linear layer over `client.followups.features`, calibrated: its softmax is the confidence.

    Attributes:
        hashed: (buckets, 5) float32, columns in the order of `KINDS`.
        relations: (`RELATION_COUNT`, 5) float32.
        recipe: what they were made by, such as "followup_training 1".
    """

    hashed: NDArray[np.float32]
    relations: NDArray[np.float32]
    recipe: str

    def __post_init__(self) -> None:
        if self.hashed.ndim != 2 or self.hashed.shape[1] != len(KINDS) or not len(self.hashed):
            raise ValueError(f"hashed must be a (buckets, {len(KINDS)}) table")
        if self.relations.shape != (RELATION_COUNT, len(KINDS)):
            raise ValueError(f"relations must be a ({RELATION_COUNT}, {len(KINDS)}) table")
        if not (np.isfinite(self.hashed).all() and np.isfinite(self.relations).all()):
            raise ValueError("weights must be finite")

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        """(5,) in the order of `KINDS`; they sum to 1. The features must be of as many buckets as `hashed` has."""
        logits = features.values @ self.hashed[features.buckets] + features.relations @ self.relations
        powers = np.exp(logits - logits.max())
        shares: NDArray[np.float64] = powers / powers.sum()
        return shares

    def save(self, path: Path) -> None:
        """Writes float16 safetensors whose header names the recipe."""
        tensors = {"hashed": self.hashed.astype(np.float16), "relations": self.relations.astype(np.float16)}
        save_file(tensors, path, metadata={**_expected_header(), "recipe": self.recipe})

    @classmethod
    def load(cls, path: Path) -> LightWeights:
        """Reads what `save` wrote.

        Raises:
            LightWeightsError: no such file, not safetensors, or made for other features or kinds.
        """
        if not path.is_file():
            raise LightWeightsError(
                f"the light follow-up classifier's weights {path.name!r} are not there: install Tacit again, or make "
                "them with simulations.evaluation.followup_training"
            )
        try:
            with safe_open(path, framework="numpy") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name).astype(np.float32) for name in ("hashed", "relations")}
        except (SafetensorError, OSError) as error:
            raise LightWeightsError(
                f"the light follow-up classifier's weights {path.name!r} cannot be read: install Tacit again"
            ) from error
        for key, value in _expected_header().items():
            if header.get(key) != value:
                raise LightWeightsError(
                    f"the light follow-up classifier's weights {path.name!r} were made for another {key}: "
                    "make them again with simulations.evaluation.followup_training"
                )
        try:
            return cls(**tensors, recipe=header.get("recipe", ""))
        except ValueError as error:
            raise LightWeightsError(f"the light follow-up classifier's weights {path.name!r} are damaged") from error


class LightFollowUpClassifier:
    """Labels follow-ups by a linear model. The confidence is the calibrated probability of the kind named.

    A wrong "re-attempt with feedback" makes a wrong training pair, so a re-attempt may be held to more than being the
    likeliest kind.
    """

    def __init__(self, *, reattempt_confidence: float = 0.0, weights: LightWeights | None = None) -> None:
        """Args:
            reattempt_confidence: a re-attempt less sure than this is not claimed: its kind is None, and the
                confidence stays. In [0, 1]; 0 claims all.
            weights: None loads the packaged ones, at the first use.

        Raises:
            ValueError: the confidence is out of range.
        """
        if not 0 <= reattempt_confidence <= 1:
            raise ValueError("reattempt_confidence must be between 0 and 1")
        self._reattempt_confidence = reattempt_confidence
        self._weights = weights

    @classmethod
    def packaged(cls, *, reattempt_confidence: float = 0.0) -> LightFollowUpClassifier:
        """The packaged classifier, its weights loaded now and not at the first use. Raises `LightWeightsError`."""
        return cls(reattempt_confidence=reattempt_confidence, weights=packaged_weights())

    @property
    def name(self) -> str:
        return "light"

    def classify(self, followups: Sequence[FollowUp]) -> list[FollowUpLabel]:
        """One label a follow-up, in their order.

        Raises:
            LightWeightsError: the packaged weights cannot be loaded.
        """
        if not followups:
            return []
        weights = self._weights if self._weights is not None else packaged_weights()
        return [self._label(weights, followup) for followup in followups]

    def _label(self, weights: LightWeights, followup: FollowUp) -> FollowUpLabel:
        shares = weights.probabilities(follow_up_features(followup, buckets=len(weights.hashed)))
        best = int(shares.argmax())
        confidence = min(1.0, float(shares[best]))
        if KINDS[best] is FollowUpKind.REATTEMPT and confidence < self._reattempt_confidence:
            return FollowUpLabel(kind=None, confidence=confidence)
        return FollowUpLabel(kind=KINDS[best], confidence=confidence)


@cache
def packaged_weights() -> LightWeights:
    """The weights that came with this installation. Raises `LightWeightsError`."""
    return LightWeights.load(WEIGHTS_FILE)


def _expected_header() -> dict[str, str]:
    return {"features": str(FEATURES_VERSION), "kinds": ", ".join(KINDS)}
