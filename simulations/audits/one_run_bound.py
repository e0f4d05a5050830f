"""The one-run bound of Steinke, Nasr and Jagielski (2023, arXiv:2305.08846), theorem 5.2.

Each of m canaries is in by an independent fair coin. Whoever sees the output guesses in for some, out for some, and
abstains on the rest. Of r guesses under (ε, δ)-DP

    P[at least v are right] <= f(v) + 2 m δ max_{i = 1..m} {f(v - i) - f(v)} / i,
    f(v) = P[Bin(r, e^ε/(e^ε + 1)) >= v]

whatever the mechanism and the scores are: nothing is taken for normal. The price is a low ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

_LARGEST = 30.0


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """Attributes:
    made: r.
    right: v.
    """

    made: int
    right: int


def guess(scores: ArrayLike, included: ArrayLike, *, made: int) -> Guesses:
    """Guesses in for the r/2 highest scores and out for the r/2 lowest.

    Args:
        scores: (m,) higher where a canary seems to be in.
        included: (m,) what the coins said.
        made: r, even, at most m; fixed before the scores are looked at.
    """
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(included, dtype=bool)
    if made % 2 or not 2 <= made <= values.size or values.shape != truth.shape:
        raise ValueError("guesses must be an even number, at most one a canary")
    order = np.argsort(values, kind="stable")
    right = int(truth[order[-made // 2 :]].sum() + (~truth[order[: made // 2]]).sum())
    return Guesses(made=made, right=right)


def p_value(epsilon: float, guesses: Guesses, *, canaries: int, delta: float) -> float:
    """The largest chance, under (ε, δ)-DP, of so many right guesses."""
    accuracy = 1 / (1 + math.exp(-epsilon))
    right = guesses.right
    at_least = float(binom.sf(right - 1, guesses.made, accuracy))
    # max over i of P[v - i <= Bin < v] / i; below 0 nothing is added, so that i > v only divides by more.
    below = np.cumsum(binom.pmf(np.arange(right - 1, -1, -1), guesses.made, accuracy))
    spread = float((below / np.arange(1, right + 1)).max()) if right else 0.0
    return min(1.0, at_least + 2 * canaries * delta * spread)


def epsilon_at_least(guesses: Guesses, *, canaries: int, delta: float, error: float) -> float:
    """The largest ε that so many right guesses rule out; 0 where they rule out none."""
    if p_value(0.0, guesses, canaries=canaries, delta=delta) > error:
        return 0.0
    low, high = 0.0, _LARGEST
    while high - low > 1e-4:
        middle = (low + high) / 2
        if p_value(middle, guesses, canaries=canaries, delta=delta) <= error:
            low = middle
        else:
            high = middle
    return low


def best_bound(
    scores: ArrayLike, included: ArrayLike, *, shares: Sequence[float], delta: float, error: float
) -> tuple[float, Guesses]:
    """The best of several numbers of guesses, each of which has its part of the error.

    Args:
        shares: of the canaries that are guessed; fixed beforehand.
    """
    canaries = np.asarray(scores).size
    found = []
    for share in shares:
        guesses = guess(scores, included, made=max(2, 2 * int(share * canaries / 2)))
        bound = epsilon_at_least(guesses, canaries=canaries, delta=delta, error=error / len(shares))
        found.append((bound, guesses))
    return max(found, key=lambda one: one[0])


def ceiling(*, canaries: int, delta: float, error: float) -> float:
    """The most that this bound can find: every one of m guesses right."""
    return epsilon_at_least(Guesses(made=canaries, right=canaries), canaries=canaries, delta=delta, error=error)
