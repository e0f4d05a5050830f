"""Skellam and the discrete Gaussian: their tables against mpmath, their draws against scipy."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from scipy import stats

from shared.privacy.discrete_gaussian import discrete_gaussian
from shared.privacy.integer_table import IntegerTable
from shared.privacy.noise import AesCtrNoise
from shared.privacy.skellam import skellam, tail_bound


def _cumulative(table: IntegerTable, k: int) -> int:
    """2^128 P(X <= k), as the table says."""
    return (int(table.high[k + table.reach]) << 64) + int(table.low[k + table.reach])


def _check(table: IntegerTable, mass: Callable[[int], mpmath.mpf]) -> None:
    """P(X <= -k) is the true tail, summed from far beyond the table."""
    total = mpmath.mpf(0)
    for k in range(table.reach + 60, 0, -1):
        total += mass(k)
        if k <= table.reach:
            assert abs(_cumulative(table, -k) - total * 2**128) <= 2


@pytest.mark.parametrize("variance", [1e-4, 0.3, 2.5, 100.0, 1521.7])
def test_the_skellam_table_is_exact(variance: float) -> None:
    with mpmath.workprec(400):
        _check(skellam(variance), lambda k: mpmath.exp(-variance) * mpmath.besseli(k, mpmath.mpf(variance)))


@pytest.mark.parametrize("sigma", [0.25, 0.7, 3.0, 41.3])
def test_the_discrete_gaussian_table_is_exact(sigma: float) -> None:
    with mpmath.workprec(400):
        inverse = 1 / mpmath.mpf(sigma) ** 2
        reach = int(15 * sigma) + 70
        total = 1 + 2 * mpmath.fsum(mpmath.exp(-(k**2) * inverse / 2) for k in range(1, reach))
        _check(discrete_gaussian(sigma), lambda k: mpmath.exp(-(k**2) * inverse / 2) / total)


@pytest.mark.parametrize("variance", [0.5, 9.0, 400.0])
def test_a_sum_of_many_skellams_is_one_skellam(variance: float) -> None:
    """Two-sided: half and twice the variance are told apart."""
    parts, size = 20, 40_000
    part = skellam(variance / parts)
    total = sum(part.draw(size, AesCtrNoise(bytes([number] * 32))) for number in range(parts))
    values, counts = np.unique(np.asarray(total), return_counts=True)

    def fit(assumed: float) -> float:
        expected = stats.skellam.pmf(values, assumed / 2, assumed / 2) * size
        common = expected >= 5
        observed = np.append(counts[common], size - counts[common].sum())
        return float(stats.chisquare(observed, np.append(expected[common], size - expected[common].sum())).pvalue)

    assert fit(variance) > 1e-4
    for wrong in (0.5, 2.0):
        assert fit(wrong * variance) < 1e-12


def test_the_discrete_gaussian_has_its_scale() -> None:
    drawn = discrete_gaussian(50.0).draw(50_000, AesCtrNoise(bytes(32)))

    assert drawn.std() == pytest.approx(50.0, rel=0.02)
    assert abs(drawn.mean()) < 1.0


@pytest.mark.parametrize("variance", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("log_probability", [2.0, 20.0, 60.0])
def test_the_tail_is_below_its_bound(variance: float, log_probability: float) -> None:
    x = tail_bound(variance, log_probability)

    assert 2 * stats.skellam.sf(int(x), variance / 2, variance / 2) <= 2 * np.exp(-log_probability) + 1e-300


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan"), 1e11])
def test_a_variance_that_cannot_be_drawn_is_refused(variance: float) -> None:
    with pytest.raises(ValueError, match="variance"):
        skellam(variance)


@pytest.mark.parametrize("sigma", [0.0, float("nan"), 1e6])
def test_a_sigma_that_cannot_be_drawn_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma"):
        discrete_gaussian(sigma)
