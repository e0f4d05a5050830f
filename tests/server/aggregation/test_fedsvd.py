from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.aggregation.fedsvd import refactor
from shared.lora_factors import LayerFactors
from tests.server.aggregation.cohorts import assert_products, cohort


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_the_product_stays_and_a_becomes_orthonormal(seed: int, rank: int) -> None:
    layers = cohort(seed, ranks=(rank,))[0]
    new = refactor(layers)

    assert_products(new, [one.product() for one in layers])
    for one in new:
        np.testing.assert_allclose(one.a @ one.a.T, np.eye(rank), atol=1e-12)
        gram = one.b.T @ one.b
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-10 * gram.max())
        assert (np.diff(np.diag(gram)) <= 1e-10 * gram.max()).all()


def test_b_and_a_are_those_of_the_dense_svd() -> None:
    layer = cohort(ranks=(3,))[0][0]
    (new,) = refactor((layer,))
    _, s, vt = np.linalg.svd(layer.product())

    np.testing.assert_allclose(np.linalg.norm(new.b, axis=0), s[:3], rtol=1e-12)
    np.testing.assert_allclose(np.abs(new.a @ vt[:3].T), np.eye(3), atol=1e-10)


def test_it_does_not_depend_on_how_the_product_was_split() -> None:
    layer = cohort(ranks=(3,))[0][0]
    mixed = np.random.default_rng(1).standard_normal((3, 3))
    (one,) = refactor((layer,))
    (other,) = refactor((LayerFactors(a=mixed @ layer.a, b=layer.b @ np.linalg.inv(mixed)),))

    np.testing.assert_allclose(one.a, other.a, atol=1e-6)
    np.testing.assert_allclose(one.b, other.b, atol=1e-4)


@pytest.mark.parametrize("used", [0, 2])
def test_directions_that_b_does_not_use_keep_the_rows_of_a(used: int) -> None:
    layer = cohort(ranks=(4,))[0][0]
    b = layer.b.copy()
    b[:, used:] = 0
    (new,) = refactor((LayerFactors(a=layer.a, b=b),))
    rows = np.linalg.qr(layer.a.T.astype(np.float64))[0]

    np.testing.assert_allclose(new.a @ new.a.T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(new.a @ rows @ rows.T, new.a, atol=1e-12)
    assert np.abs(new.b[:, used:]).max() < 1e-12


def test_more_directions_than_a_layer_has_are_refused() -> None:
    with pytest.raises(ValueError, match="has no 5 directions"):
        refactor(cohort(ranks=(5,), shapes=((4, 30),))[0])
