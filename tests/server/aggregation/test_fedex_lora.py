from __future__ import annotations

import numpy as np

from server.aggregation.fedex_lora import aggregate
from server.aggregation.fedit import mean_factors
from tests.server.aggregation.cohorts import cohort, dense_means


def test_means_and_residual_are_the_mean_of_the_models() -> None:
    clients = cohort()
    means, residuals = aggregate(clients)

    for mean, fedit, residual, dense in zip(means, mean_factors(clients), residuals, dense_means(clients), strict=True):
        np.testing.assert_array_equal(mean.product(), fedit.product())
        np.testing.assert_allclose(mean.product() + residual.product(), dense, atol=1e-12)
        assert residual.rank == 5 * 3
    assert np.linalg.matrix_rank(residuals[0].product()) == 4 * 3


def test_where_devices_agree_there_is_none() -> None:
    one = cohort(ranks=(3,))[0]
    _, residuals = aggregate([one, one, one, one])

    assert all((residual.product() == 0).all() for residual in residuals)
