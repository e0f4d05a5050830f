from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.privacy.banded_noise import DENOMINATOR, BandedToeplitz
from shared.privacy.noise_norm import noise_norm_over_clipping


def _dense(factor: BandedToeplitz, rounds: int) -> NDArray[np.float64]:
    return sum(
        (
            np.diag(np.full(rounds - back, float(value)), -back)
            for back, value in enumerate(factor.numerators)
            if back < rounds
        ),
        np.zeros((rounds, rounds)),
    )


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 100))
def test_streaming_equals_the_dense_matrices(bands: int, rounds: int, seed: int) -> None:
    factor, rng = BandedToeplitz(bands=bands), np.random.default_rng(seed)
    sums = rng.integers(-50, 50, size=(rounds, 3))
    noise = rng.integers(-50, 50, size=(rounds, 3))
    dense = _dense(factor, rounds)

    rows = [factor.combine(list(sums[: t + 1])) for t in range(rounds)]
    assert np.array_equal(np.array(rows), (dense @ sums).astype(np.int64))
    found: list[NDArray[np.float64]] = []
    for row, drawn in zip(rows, noise, strict=True):
        found.append(factor.resolve(row + drawn, found))
    assert np.allclose(found, sums + np.linalg.solve(dense, noise.astype(np.float64)), atol=1e-6)


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 100))
def test_no_separated_participation_moves_the_release_by_more_than_the_sensitivity(
    bands: int, participations: int, seed: int
) -> None:
    """One device's unit updates, at least `bands` rounds apart, through the dense matrix."""
    factor, rng = BandedToeplitz(bands=bands), np.random.default_rng(seed)
    gaps = rng.integers(bands, bands + 3, size=participations)
    places = np.cumsum(gaps) - gaps[0]
    rounds = int(places[-1]) + 1 + int(rng.integers(0, bands + 1))
    updates = np.zeros((rounds, 4))
    for place in places:
        direction = rng.normal(size=4)
        updates[place] = direction / np.linalg.norm(direction)

    assert np.linalg.norm(_dense(factor, rounds) @ updates) <= factor.sensitivity(participations) * (1 + 1e-12)
    closer = np.zeros((rounds + bands, 1))
    closer[:participations] = 1.0
    if bands > 1 and participations > 1:  # nearer than the plan allows, it would not hold
        assert np.linalg.norm(_dense(factor, rounds + bands) @ closer) > factor.sensitivity(participations)


def test_running_sums_have_the_published_error() -> None:
    """RMS error of prefix sums at equal ε, T and separation: independent against banded (jax-privacy 2.0's optimum)."""
    for rounds, separation, independent, published in (
        (50, 10, 11.3, 5.3),
        (200, 10, 44.8, 18.1),
        (200, 50, 20.1, 5.4),
    ):
        times = rounds // separation
        factor = BandedToeplitz(bands=separation)
        running = np.tril(np.ones((rounds, rounds)))
        error = np.sqrt((np.linalg.solve(_dense(factor, rounds).T, running.T) ** 2).sum() / rounds)
        assert error * factor.sensitivity(times) == pytest.approx(published, rel=0.03)
        alone = np.sqrt(times * (rounds + 1) / 2)
        assert alone == pytest.approx(independent, rel=0.01)
        # And it is what the noise norm is worked out from.
        ratio = noise_norm_over_clipping(
            mechanism="banded-gaussian", noise_multiplier=1.0, dimension=1, cohort_size=1, rounds=rounds,
            participations=times, separation=separation,
        )  # fmt: skip
        assert ratio == pytest.approx(error * factor.sensitivity(times) / np.sqrt((rounds + 1) / 2), rel=1e-9)


def test_one_band_is_independent_noise() -> None:
    factor = BandedToeplitz(bands=1)

    assert factor.numerators == (DENOMINATOR,)
    assert factor.sensitivity(4) == 2 * DENOMINATOR
    assert np.allclose(factor.noise_growth(5), 1 / DENOMINATOR)


def test_a_sum_that_64_bits_do_not_hold_is_refused() -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        BandedToeplitz(bands=2).combine([np.array([2**60]), np.array([2**60])])
