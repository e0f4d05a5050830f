from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shared.privacy.clipping import NonFiniteUpdateError, clip_to_norm, l2_norm
from shared.privacy.integer_grid import IntegerGrid
from shared.privacy.noise import AesCtrNoise, SeededTestNoise

_any = hnp.arrays(np.float32, st.integers(1, 200), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


@given(_any, st.floats(min_value=1e-6, max_value=1e6), st.integers(0, 2**31))
def test_no_vector_at_all_passes_the_bound(vector: NDArray[np.float32], norm: float, seed: int) -> None:
    grid = IntegerGrid(dimension=vector.size, clipping_norm=norm)

    encoded = grid.encode(vector, SeededTestNoise(seed))

    assert sum(int(value) ** 2 for value in encoded) <= grid.squared_norm_bound
    assert grid.is_bounded(encoded)


@given(_any, st.integers(0, 2**31))
def test_a_clipped_vector_survives_to_the_grids_fineness(vector: NDArray[np.float32], seed: int) -> None:
    grid = IntegerGrid(dimension=vector.size, clipping_norm=1.0)
    clipped = clip_to_norm(vector, 1.0)

    back = grid.decode(grid.encode(clipped, SeededTestNoise(seed)))

    assert np.abs(back - clipped).max() <= 1.1 / grid.scale


def test_rounding_is_unbiased_and_hardly_adds_to_the_norm() -> None:
    grid = IntegerGrid(dimension=10_000, clipping_norm=2.0)
    vector = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    vector *= np.float32(2.0 / l2_norm(vector))
    source = AesCtrNoise(bytes(32))

    mean = np.mean([grid.decode(grid.encode(vector, source)) for _ in range(200)], axis=0)

    assert l2_norm(mean - vector) < 2.0 * 0.02
    assert abs(float((mean - vector) @ np.sign(vector))) / 10_000 < 2.0 / grid.scale * 0.02
    assert grid.norm_bound / grid.scale < 1.01


def test_zero_stays_zero() -> None:
    grid = IntegerGrid(dimension=7, clipping_norm=1.0)

    assert not grid.encode(np.zeros(7, dtype=np.float32), SeededTestNoise(0)).any()


def test_a_vector_at_the_bound_that_never_rounds_within_it_is_cut_and_not_let_through() -> None:
    grid = IntegerGrid(dimension=100, clipping_norm=1.0)
    vector = np.full(100, 10.0, dtype=np.float32)

    class AlwaysUp(SeededTestNoise):
        def uniform(self, size: int) -> NDArray[np.float64]:
            return np.full(size, 1 - 2.0**-53)

    encoded = grid.encode(vector, AlwaysUp(0))
    assert grid.is_bounded(encoded)
    assert encoded.sum() > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    vector = np.zeros(3, dtype=np.float32)
    vector[1] = bad
    with pytest.raises(NonFiniteUpdateError):
        IntegerGrid(dimension=3, clipping_norm=1.0).encode(vector, SeededTestNoise(0))


def test_huge_integers_do_not_wrap_round_the_check() -> None:
    grid = IntegerGrid(dimension=2, clipping_norm=1.0)
    assert not grid.is_bounded(np.array([2**62, 2**62], dtype=np.int64))
    assert not grid.is_bounded(np.array([-(2**63), 0], dtype=np.int64))


@pytest.mark.parametrize(("dimension", "norm"), [(0, 1.0), (3, 0.0), (3, float("inf")), (3, float("nan"))])
def test_a_grid_needs_a_dimension_and_a_norm(dimension: int, norm: float) -> None:
    with pytest.raises(ValueError, match="grid needs"):
        IntegerGrid(dimension=dimension, clipping_norm=norm)
