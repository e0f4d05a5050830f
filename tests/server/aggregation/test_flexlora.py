from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.aggregation.flexlora import aggregate
from tests.server.aggregation.cohorts import assert_products, cohort, dense_means


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(2, 5), min_size=1, max_size=5), st.integers(1, 2))
def test_it_is_the_best_approximation_of_the_dense_mean(seed: int, ranks: list[int], rank: int) -> None:
    clients = cohort(seed, ranks=ranks)
    for new, dense in zip(aggregate(clients, rank=rank), dense_means(clients), strict=True):
        s = np.linalg.svd(dense, compute_uv=False)
        assert np.linalg.norm(new.product() - dense) == pytest.approx(np.linalg.norm(s[rank:]), abs=1e-6 * s[0])
        np.testing.assert_allclose(new.a @ new.a.T, np.eye(rank), atol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(new.b, axis=0), s[:rank], rtol=1e-9)


def test_it_is_exact_where_the_mean_has_that_rank_whoever_split_it_how() -> None:
    clients = cohort(same_a=True)
    mixed = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
    turned = [tuple(type(one)(a=mixed @ one.a, b=one.b @ np.linalg.inv(mixed)) for one in layers) for layers in clients]

    assert_products(aggregate(clients, rank=3), dense_means(clients))
    assert_products(aggregate(turned, rank=3), dense_means(clients), rtol=1e-5)


def test_a_hundred_devices_go_another_way_to_the_same() -> None:
    clients = cohort(ranks=(4,) * 100, shapes=((410, 420),))
    (new,) = aggregate(clients, rank=4)
    s = np.linalg.svd(dense_means(clients)[0], compute_uv=False)

    np.testing.assert_allclose(np.linalg.norm(new.b, axis=0), s[:4], rtol=1e-10)
    missed = np.linalg.norm(new.product() - dense_means(clients)[0])
    assert missed == pytest.approx(np.linalg.norm(s[4:]), rel=1e-10)


def test_a_rank_that_the_mean_cannot_have_is_refused() -> None:
    with pytest.raises(ValueError, match="of 3 singular values, 4"):
        aggregate(cohort(ranks=(3,)), rank=4)
