from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

from shared.lora_factors import LayerFactors, rotate_to


def _factors(seed: int, *, rank: int = 3) -> LayerFactors:
    random = np.random.default_rng(seed)
    return LayerFactors(
        a=random.standard_normal((rank, 12)).astype(np.float32), b=random.standard_normal((9, rank)).astype(np.float32)
    )


def _rotation(seed: int, *, rank: int = 3) -> NDArray[np.float64]:
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((rank, rank)))
    if np.linalg.det(q) < 0:
        q[:, 0] *= -1
    return q


def test_padding_keeps_the_product_and_truncation_undoes_it() -> None:
    one = _factors(0)
    padded = one.padded(5)

    assert (padded.rank, padded.a.shape, padded.b.shape) == (5, (5, 12), (9, 5))
    assert padded.a.dtype == np.float32
    np.testing.assert_array_equal(padded.product(), one.product())
    np.testing.assert_array_equal(padded.truncated(3).a, one.a)
    np.testing.assert_array_equal(padded.truncated(3).b, one.b)
    np.testing.assert_allclose(one.truncated(1).product(), np.outer(one.b[:, 0], one.a[0]), rtol=1e-6)


def test_a_product_is_in_float64() -> None:
    one = LayerFactors(a=np.array([[1e8], [1.0], [-1e8]], dtype=np.float32), b=np.ones((1, 3), dtype=np.float32))

    assert one.product() == 1.0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 3)), "make no product"),
        (np.ones(3), np.ones((4, 3)), "factor a must be a matrix"),
        (np.ones((2, 3)), np.ones((0, 2)), "factor b must be a matrix"),
        (np.ones((2, 3), dtype=np.int64), np.ones((4, 2)), "floating-point"),
        (np.full((2, 3), np.nan), np.ones((4, 2)), "factor a holds NaN"),
        (np.ones((2, 3)), np.full((4, 2), np.inf), "factor b holds NaN or infinity"),
    ],
)
def test_what_is_no_pair_of_factors_is_refused(a: NDArray[np.float64], b: NDArray[np.float64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LayerFactors(a=a, b=b)


def test_ranks_that_factors_cannot_have_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be cut to rank 4"):
        _factors(0).truncated(4)
    with pytest.raises(ValueError, match="cannot be cut to rank 0"):
        _factors(0).truncated(0)
    with pytest.raises(ValueError, match="cannot be padded to rank 2"):
        _factors(0).padded(2)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    rank=st.integers(1, 6),
    by=st.sampled_from(["a", "b"]),
    softness=st.floats(0, 1) | st.just(0.5),
)
def test_a_rotation_keeps_the_product_however_soft(
    seed: int, rank: int, by: Literal["a", "b"], softness: float
) -> None:
    reference, one = _factors(seed, rank=rank), _factors(seed + 1, rank=rank)
    turned = rotate_to(reference, one, by=by, softness=softness)

    np.testing.assert_allclose(
        turned.product(), one.product(), atol=1e-12 * float(np.linalg.norm(one.product())) + 1e-13
    )
    # An orthogonal change of basis keeps Gram matrices of the other sides.
    np.testing.assert_allclose(turned.a.T @ turned.a, one.a.T.astype(np.float64) @ one.a, atol=1e-11)
    np.testing.assert_allclose(turned.b @ turned.b.T, one.b.astype(np.float64) @ one.b.T, atol=1e-11)


@pytest.mark.parametrize("by", ["a", "b"])
def test_a_turned_copy_of_the_reference_is_turned_back(by: Literal["a", "b"]) -> None:
    reference, rotation = _factors(0), _rotation(1)
    copy = LayerFactors(a=rotation.T @ reference.a, b=reference.b @ rotation)
    turned = rotate_to(reference, copy, by=by, softness=1)

    np.testing.assert_allclose(turned.a, reference.a, atol=1e-12)
    np.testing.assert_allclose(turned.b, reference.b, atol=1e-12)


@pytest.mark.parametrize("by", ["a", "b"])
def test_the_full_rotation_is_scipys_procrustes_where_that_is_no_reflection(by: Literal["a", "b"]) -> None:
    compared = 0
    for seed in range(20):
        reference, one = _factors(seed), _factors(seed + 100)
        sides = (one.a.T, reference.a.T) if by == "a" else (one.b, reference.b)
        expected, _ = orthogonal_procrustes(sides[0].astype(np.float64), sides[1].astype(np.float64))
        if np.linalg.det(expected) > 0:
            compared += 1
            turned = rotate_to(reference, one, by=by, softness=1)
            np.testing.assert_allclose(turned.b, one.b @ expected, atol=1e-10)
    assert compared > 3


def test_a_softer_rotation_goes_less_far() -> None:
    """Half way between the identity and a turn of one plane is the turn by half its angle."""
    angle = 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = np.array([[np.cos(angle / 2), -np.sin(angle / 2)], [np.sin(angle / 2), np.cos(angle / 2)]])
    one = _factors(0, rank=2)
    reference = LayerFactors(a=turn.T @ one.a, b=one.b @ turn)

    np.testing.assert_allclose(rotate_to(reference, one, by="a", softness=0.5).b, one.b @ half, atol=1e-6)
    np.testing.assert_allclose(rotate_to(reference, one, by="a", softness=0).b, one.b, atol=1e-12)


def test_a_mirrored_reference_is_approached_by_a_rotation_only() -> None:
    one = _factors(0)
    mirror = np.diag([1.0, 1.0, -1.0])
    turned = rotate_to(LayerFactors(a=mirror @ one.a, b=one.b @ mirror), one, by="a", softness=1)
    rotation = np.linalg.lstsq(one.b.astype(np.float64), turned.b, rcond=None)[0]

    assert np.linalg.det(rotation) == pytest.approx(1)


def test_a_reference_of_zeros_turns_nothing() -> None:
    one = _factors(0)
    turned = rotate_to(LayerFactors(a=one.a, b=np.zeros_like(one.b)), one, by="b", softness=1)

    np.testing.assert_array_equal(turned.a, one.a)
    np.testing.assert_array_equal(turned.b, one.b)


def test_other_shapes_and_softness_beyond_its_range_are_refused() -> None:
    with pytest.raises(ValueError, match="of their shapes"):
        rotate_to(_factors(0, rank=2), _factors(0), by="a", softness=1)
    for softness in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="within 0 and 1"):
            rotate_to(_factors(0), _factors(0), by="a", softness=softness)
