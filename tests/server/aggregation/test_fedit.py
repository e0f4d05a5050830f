from __future__ import annotations

import numpy as np

from server.aggregation.fedit import mean_factors
from tests.server.aggregation.cohorts import assert_products, cohort, dense_means


def test_each_factor_is_averaged_by_itself() -> None:
    clients = cohort()
    for number, one in enumerate(mean_factors(clients)):
        np.testing.assert_allclose(one.a, np.mean([c[number].a for c in clients], axis=0, dtype=np.float64), rtol=1e-12)
        np.testing.assert_allclose(one.b, np.mean([c[number].b for c in clients], axis=0, dtype=np.float64), rtol=1e-12)


def test_it_is_exact_only_where_devices_share_a_factor() -> None:
    shared = cohort(same_a=True)
    assert_products(mean_factors(shared), dense_means(shared))

    clients = cohort()
    for one, expected in zip(mean_factors(clients), dense_means(clients), strict=True):
        assert np.linalg.norm(one.product() - expected) > 0.1 * np.linalg.norm(expected)
