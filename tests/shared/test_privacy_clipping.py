from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shared.privacy.clipping import NonFiniteUpdateError, clip_to_norm

_vectors = hnp.arrays(
    np.float32, st.integers(1, 200), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
)
_norms = st.floats(min_value=1e-30, max_value=1e30)


def _exact_norm(vector: NDArray[np.float32]) -> float:
    # Summed in extended precision: not the computation under test.
    return float(np.sqrt((vector.astype(np.longdouble) ** 2).sum()))


@given(_vectors, _norms)
def test_the_norm_is_never_above_the_bound(vector: NDArray[np.float32], norm: float) -> None:
    clipped = clip_to_norm(vector, norm)

    assert clipped.dtype == np.float32
    assert _exact_norm(clipped) <= norm * (1 + 1e-15)


@given(_vectors)
def test_a_vector_within_the_bound_is_unchanged(vector: NDArray[np.float32]) -> None:
    bound = _exact_norm(vector) * (1 + 1e-12) + 1e-300

    assert np.array_equal(clip_to_norm(vector, bound), vector)


def test_a_long_vector_keeps_its_direction_and_most_of_the_norm() -> None:
    vector = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * np.float32(1e18)

    clipped = clip_to_norm(vector, 1.0)

    assert 1.0 - 1e-6 <= _exact_norm(clipped) <= 1.0
    cosine = float(clipped.astype(np.float64) @ (vector / np.linalg.norm(vector.astype(np.float64))))
    assert cosine == pytest.approx(1.0, abs=1e-6)


def test_zero_stays_zero() -> None:
    assert not clip_to_norm(np.zeros(5, dtype=np.float32), 1.0).any()


def test_a_bound_below_the_smallest_number_gives_zero() -> None:
    assert not clip_to_norm(np.ones(5, dtype=np.float32), 1e-60).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_without_being_quoted(bad: float) -> None:
    with pytest.raises(NonFiniteUpdateError, match="NaN or infinity"):
        clip_to_norm(np.array([0.0, bad], dtype=np.float32), 1.0)


@pytest.mark.parametrize("norm", [0.0, -1.0, np.nan, np.inf])
def test_a_bound_that_is_none_is_refused(norm: float) -> None:
    with pytest.raises(ValueError, match="clipping norm"):
        clip_to_norm(np.ones(2, dtype=np.float32), norm)


def test_another_type_or_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="flat float32"):
        clip_to_norm(np.ones(2), 1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="flat float32"):
        clip_to_norm(np.ones((2, 2), dtype=np.float32), 1.0)
