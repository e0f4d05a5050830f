"""How much of a gain a private run keeps: the ratio of two win rates over one half, user by user the same.

The gain of a run is its held-out users' mean win rate under their own persona, minus the half that no learning gives.
Retained is the private run's gain over the non-private one's. Users are resampled together for both runs, since both
asked the same ones (paired), and within each seed, since seeds have users of their own (stratified).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_RESAMPLES = 10_000
_BLOCK = 500


@dataclass(frozen=True, kw_only=True)
class RetainedGain:
    """Attributes:
    value: private gain over non-private gain, both means over seeds and users.
    low, high: its 95 % interval over users.
    seeds, users: how many, users over all seeds.
    """

    value: float
    low: float
    high: float
    seeds: int
    users: int

    def verdict(self, bar: float) -> str:
        """Whether the interval decides about a bar: "met", "missed" or "unresolved"."""
        if self.low >= bar:
            return "met"
        return "missed" if self.high < bar else "unresolved"


def retained_gain(private: Sequence[ArrayLike], other: Sequence[ArrayLike], *, seed: int) -> RetainedGain:
    """The ratio with its interval.

    Args:
        private, other: for every seed, (users,) wins from 0 to 1 of the private and the non-private run.
        seed: of the resampling.

    Raises:
        ValueError: no seeds, other users in one than in the other, or no gain to retain.
    """
    pairs = [
        (np.asarray(a, dtype=np.float64) - 0.5, np.asarray(b, dtype=np.float64) - 0.5)
        for a, b in zip(private, other, strict=True)
    ]
    if not pairs or any(a.shape != b.shape or a.ndim != 1 or len(a) == 0 for a, b in pairs):
        raise ValueError("both runs must have asked the same users, seed by seed")
    kept, whole = (float(np.mean([side[place].mean() for side in pairs])) for place in (0, 1))
    if whole <= 0:
        raise ValueError("without privacy nothing was gained, so nothing can be retained")
    generator = np.random.default_rng(seed)
    ratios = []
    for _ in range(_RESAMPLES // _BLOCK):
        sums = np.zeros((2, _BLOCK))
        for a, b in pairs:
            drawn = generator.integers(len(a), size=(_BLOCK, len(a)))
            sums += np.stack([a[drawn].mean(axis=1), b[drawn].mean(axis=1)])
        # A resample without any gain has no ratio: it counts as the widest, so that the interval says so.
        ratios.append(np.where(sums[1] > 0, sums[0] / np.where(sums[1] > 0, sums[1], 1.0), np.inf))
    low, high = np.quantile(np.concatenate(ratios), [0.025, 0.975])
    return RetainedGain(
        value=kept / whole, low=float(low), high=float(high), seeds=len(pairs), users=sum(len(a) for a, _ in pairs)
    )
