from __future__ import annotations

import numpy as np
import pytest

from server.aggregation.cohort_layers import by_layer
from server.aggregation.fedask import aggregate, refactor, sketch_left, sketch_right
from server.aggregation.fedit import mean_factors
from shared.lora_factors import LayerFactors
from tests.server.aggregation.cohorts import assert_products, cohort, dense_means


def test_sketches_are_of_the_sum_of_products() -> None:
    layer = by_layer(cohort())[0]
    total = np.sum([one.product() for one in layer], axis=0)
    random = np.random.default_rng(0)
    omega, q = random.standard_normal((30, 4)), random.standard_normal((20, 4))

    np.testing.assert_allclose(sketch_left(layer, omega), total @ omega, atol=1e-10)
    np.testing.assert_allclose(sketch_right(layer, q), total.T @ q, atol=1e-10)


@pytest.mark.parametrize(("oversampling", "exact"), [(0, False), (6, True), (50, True)])
def test_it_is_exact_with_as_many_columns_as_the_sum_has_rank(oversampling: int, exact: bool) -> None:
    """Three devices of rank 3, so a sum of rank 9; rank 9 keeps all of it, and rank 3 its best part."""
    clients = cohort(ranks=(3, 3, 3), shapes=((20, 30),))
    (new,) = aggregate(clients, rank=3, oversampling=oversampling, seed=1)
    u, s, vt = np.linalg.svd(dense_means(clients)[0])

    missed = np.linalg.norm(new.product() - (u[:, :3] * s[:3]) @ vt[:3])
    assert (missed < 1e-10) == exact
    assert_products(aggregate(clients, rank=9, oversampling=0, seed=1), dense_means(clients))


def test_beneath_a_common_a_one_sum_of_b_gives_what_two_sketches_do() -> None:
    clients = cohort(same_a=True)
    sketched = aggregate(clients, rank=3, oversampling=0, seed=1)
    summed = refactor(mean_factors(clients))

    for one, other in zip(sketched, summed, strict=True):
        np.testing.assert_allclose(one.a, other.a, atol=1e-10)
        np.testing.assert_allclose(one.b, other.b, atol=1e-10)


def test_the_split_is_balanced() -> None:
    layers = cohort(ranks=(3,))[0]
    new = refactor(layers)

    assert_products(new, [one.product() for one in layers])
    for one, before in zip(new, layers, strict=True):
        s = np.linalg.svd(before.product(), compute_uv=False)[:3]
        np.testing.assert_allclose(one.a @ one.a.T, np.diag(s), atol=1e-10)
        np.testing.assert_allclose(one.b.T @ one.b, np.diag(s), atol=1e-10)


def test_what_b_does_not_use_yet_can_still_be_learned() -> None:
    layer = cohort(ranks=(4,))[0][0]
    untrained = LayerFactors(a=layer.a, b=np.zeros_like(layer.b))
    b = layer.b.copy()
    b[:, 2:] = 0
    (new,) = refactor((LayerFactors(a=layer.a, b=b),))

    assert refactor((untrained,)) == (untrained,)
    assert_products((new,), [LayerFactors(a=layer.a, b=b).product()])
    lengths = np.linalg.norm(new.a, axis=1)
    np.testing.assert_allclose(lengths[2:], lengths[1], rtol=1e-12)
    np.testing.assert_array_equal(new.b[:, 2:], 0)


def test_bad_ranks_and_oversampling_are_refused() -> None:
    with pytest.raises(ValueError, match="oversampling"):
        aggregate(cohort(), rank=3, oversampling=-1, seed=0)
    for rank in (0, 10):
        with pytest.raises(ValueError, match=f"has no {rank} directions"):
            aggregate(cohort(), rank=rank, oversampling=0, seed=0)
    with pytest.raises(ValueError, match="has no 5 directions"):
        refactor(cohort(ranks=(5,), shapes=((4, 30),))[0])
