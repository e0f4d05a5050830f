from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.aggregation import thin_svd as module
from server.aggregation.thin_svd import leading_svd, product_norm, thin_svd
from shared.lora_factors import LayerFactors


def _factors(seed: int, outs: int, ins: int, rank: int) -> LayerFactors:
    random = np.random.default_rng(seed)
    return LayerFactors(a=random.standard_normal((rank, ins)), b=random.standard_normal((outs, rank)))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 15))
def test_it_is_the_dense_svd(seed: int, outs: int, ins: int, rank: int) -> None:
    factors = _factors(seed, outs, ins, rank)
    u, s, vt = thin_svd(factors)
    expected = np.linalg.svd(factors.product(), compute_uv=False)
    count = min(rank, outs, ins)

    np.testing.assert_allclose(s, expected[:count], atol=1e-12 * expected[0])
    np.testing.assert_allclose((u * s) @ vt, factors.product(), atol=1e-11 * expected[0])
    np.testing.assert_allclose(u.T @ u, np.eye(count), atol=1e-12)
    np.testing.assert_allclose(vt @ vt.T, np.eye(count), atol=1e-12)
    assert all(row[np.abs(row).argmax()] > 0 for row in vt)


@pytest.mark.parametrize(("outs", "ins", "rank"), [(40, 50, 20), (40, 12, 20), (12, 50, 20), (15, 15, 400)])
def test_the_leading_part_of_a_large_stack_is_the_dense_one(
    monkeypatch: pytest.MonkeyPatch, outs: int, ins: int, rank: int
) -> None:
    monkeypatch.setattr(module, "_SMALL", 0)
    factors = _factors(0, outs, ins, rank)
    u, s, vt = leading_svd(factors, 5)
    dense_u, dense_s, dense_vt = np.linalg.svd(factors.product())

    np.testing.assert_allclose(s, dense_s[:5], rtol=1e-10)
    np.testing.assert_allclose((u * s) @ vt, (dense_u[:, :5] * dense_s[:5]) @ dense_vt[:5], atol=1e-9 * dense_s[0])
    np.testing.assert_allclose(u.T @ u, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("decay", [1e-1, 1e-3])
def test_a_steep_spectrum_and_shared_directions_lose_nothing(monkeypatch: pytest.MonkeyPatch, decay: float) -> None:
    """Singular values down to 1e-12 of the largest, in factors that repeat each other: Gram matrices alone see half."""
    monkeypatch.setattr(module, "_SMALL", 0)
    random = np.random.default_rng(0)
    b = random.standard_normal((60, 5)) * decay ** np.arange(5)
    a = random.standard_normal((5, 50))
    factors = LayerFactors(a=np.tile(a, (3, 1)), b=np.tile(b, (1, 3)))
    u, s, vt = leading_svd(factors, 5)

    assert np.linalg.norm((u * s) @ vt - factors.product()) <= 1e-8 * np.linalg.norm(factors.product())


def test_a_large_stack_of_zeros_has_no_singular_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 0)
    u, s, vt = leading_svd(LayerFactors(a=np.ones((6, 9)), b=np.zeros((8, 6))), 2)

    np.testing.assert_array_equal(s, 0)
    assert np.isfinite(u).all()
    assert np.isfinite(vt).all()


def test_more_singular_values_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="of 3 singular values, 4"):
        leading_svd(_factors(0, 8, 3, 5), 4)
    with pytest.raises(ValueError, match="0 cannot"):
        leading_svd(_factors(0, 8, 3, 5), 0)


@pytest.mark.parametrize(("outs", "ins", "rank"), [(20, 30, 4), (5, 30, 8), (30, 5, 5)])
def test_the_norm_is_the_dense_one(outs: int, ins: int, rank: int) -> None:
    factors = _factors(0, outs, ins, rank)

    assert product_norm(factors) == pytest.approx(np.linalg.norm(factors.product()), rel=1e-12)


def test_the_norm_survives_columns_that_cancel() -> None:
    """The traces of Gram matrices would say 1e-8 here."""
    random = np.random.default_rng(0)
    b, a = random.standard_normal((20, 1)), random.standard_normal((1, 30))
    factors = LayerFactors(a=np.concatenate((a, -a * (1 + 1e-10))), b=np.concatenate((b, b), axis=1))

    expected = 1e-10 * np.linalg.norm(b) * np.linalg.norm(a)
    assert product_norm(factors) == pytest.approx(expected, rel=1e-4)
