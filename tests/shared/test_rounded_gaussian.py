from __future__ import annotations

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shared.privacy.noise import AesCtrNoise, SeededTestNoise
from shared.privacy.rounded_gaussian import LARGEST_SIGMA, rounded_gaussian


@pytest.mark.parametrize("sigma", [1.0, 1.7, 13.0, 700.5])
def test_the_table_is_the_exact_distribution(sigma: float) -> None:
    """Against mpmath's own normal distribution, at 400 bits."""
    noise = rounded_gaussian(sigma)
    with mpmath.workprec(400):
        reach = noise.reach
        for k in {-reach, -3, -1, 0, 1, 2, int(sigma), int(4 * sigma), reach - 1}:
            said = (int(noise.high[k + reach]) << 64) + int(noise.low[k + reach])
            true = mpmath.ncdf((mpmath.mpf(k) + mpmath.mpf("0.5")) / mpmath.mpf(sigma)) * mpmath.mpf(2) ** 128
            assert abs(said - true) <= 2


def _cells(sigma: float, values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    edges = np.arange(int(-4 * sigma) - 1, int(4 * sigma) + 2)
    inner = np.diff(stats.norm.cdf((edges - 0.5) / sigma))
    counts = np.array([np.sum(values == edge) for edge in edges[:-1]])
    rest = len(values) - counts.sum()
    return np.append(counts, rest), np.append(inner, 1 - inner.sum())


@pytest.mark.parametrize("source", [AesCtrNoise(bytes(range(32))), SeededTestNoise(1)])
def test_draws_follow_it(source: AesCtrNoise | SeededTestNoise) -> None:
    counts, masses = _cells(3.0, rounded_gaussian(3.0).draw(200_000, source))

    assert stats.chisquare(counts, masses * counts.sum()).pvalue > 1e-4


def test_the_scale_is_right_and_two_thirds_or_three_halves_of_it_are_not() -> None:
    sigma = 500.0
    drawn = rounded_gaussian(sigma).draw(20_000, AesCtrNoise(bytes(32))).astype(np.float64)
    drawn += np.random.default_rng(0).uniform(-0.5, 0.5, drawn.shape)  # a continuous test of integers

    assert stats.kstest(drawn / sigma, "norm").pvalue > 1e-4
    for wrong in (2 / 3, 3 / 2):
        assert stats.kstest(drawn / (wrong * sigma), "norm").pvalue < 1e-12


class _Words:
    """Words that fall exactly on thresholds: the 64 bits more must decide."""

    def __init__(self, words: list[int]) -> None:
        self._words = words

    def words(self, size: int) -> NDArray[np.uint64]:
        taken, self._words = self._words[:size], self._words[size:]
        return np.array(taken, dtype=np.uint64)

    def uniform(self, size: int) -> NDArray[np.float64]:
        raise AssertionError

    normal = uniform


def test_a_tie_in_the_upper_word_is_decided_by_the_lower() -> None:
    noise = rounded_gaussian(2.0)
    place = noise.reach  # the threshold P(X <= 0)
    high, low = int(noise.high[place]), int(noise.low[place])

    assert noise.draw(1, _Words([high, low - 1])).tolist() == [0]
    assert noise.draw(1, _Words([high, low])).tolist() == [1]
    assert noise.draw(3, _Words([high - 1, high, high + 1, 0])).tolist() == [0, 0, 1]
    assert noise.draw(1, _Words([0, 0]))[0] <= -noise.reach + 2


def test_how_far_from_exact_is_bounded_and_tiny() -> None:
    assert rounded_gaussian(3000.0).total_variation(10**7) < 1e-25


@pytest.mark.parametrize("sigma", [0.0, 0.99, -1.0, float("nan"), float("inf"), 2 * LARGEST_SIGMA])
def test_a_scale_that_the_grid_does_not_hold_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma must be"):
        rounded_gaussian(sigma)
