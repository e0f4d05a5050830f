"""The users who are served worst: a mean that rises may leave them behind.

The worst decile is the tenth of users (rounded up, so at least one) with the lowest figure of their own, and its value
is their mean. Whose figure it is decides who is in it: the base's worst decile are other people than the tuned model's.
With few values a user some are in it by bad luck, so it lies below what those users would have in the long run: compare
it between models, on as many values a user.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulations.evaluation.statistics import DEFAULT_RESAMPLES

_BLOCK = 1_000  # resamples drawn at once


def worst_decile(figures: ArrayLike) -> float:
    """The mean over the worst decile.

    Args:
        figures: (users,) one finite figure of each, n ≥ 1; more is better.

    Raises:
        ValueError: none, or one that is not finite.
    """
    numbers = _finite(figures)
    return float(_tail_means(numbers[np.newaxis])[0])


def worst_decile_interval(
    figures: ArrayLike, *, confidence: float = 0.95, resamples: int = DEFAULT_RESAMPLES, seed: int
) -> tuple[float, float]:
    """(low, high) of `worst_decile`: the percentile bootstrap over users, whose worst decile is found anew each time.

    Raises:
        ValueError: as `worst_decile`.
    """
    numbers = _finite(figures)
    generator = np.random.default_rng(seed)
    means = np.concatenate(
        [
            _tail_means(numbers[generator.integers(len(numbers), size=(min(_BLOCK, resamples - begin), len(numbers)))])
            for begin in range(0, resamples, _BLOCK)
        ]
    )
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _tail_means(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(rows, users) → (rows,) each row's mean over the tenth of it that is lowest."""
    count = -(-rows.shape[1] // 10)
    lowest: NDArray[np.float64] = np.partition(rows, count - 1, axis=1)[:, :count].mean(axis=1)
    return lowest


def _finite(figures: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(figures, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError("figures must be a non-empty row of finite numbers")
    return numbers
