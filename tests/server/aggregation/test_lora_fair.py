from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from server.aggregation.fedit import mean_factors
from server.aggregation.lora_fair import correct
from shared.lora_factors import LayerFactors
from tests.server.aggregation.cohorts import assert_products, cohort, dense_means


def _objective(
    b: NDArray[np.floating], mean: LayerFactors, wanted: NDArray[np.float64], regularisation: float
) -> float:
    return float(np.sum((wanted - b @ mean.a) ** 2) + regularisation * np.sum((b - mean.b) ** 2))


@pytest.mark.parametrize("regularisation", [0.01, 1.0, 100.0])
def test_it_is_the_dense_ridge_regression(regularisation: float) -> None:
    clients = cohort()
    means = mean_factors(clients)
    random = np.random.default_rng(0)
    for new, mean, wanted in zip(
        correct(clients, regularisation=regularisation), means, dense_means(clients), strict=True
    ):
        damped = np.vstack((mean.a.T, np.sqrt(regularisation) * np.eye(3)))
        missed = np.vstack(((wanted - mean.b @ mean.a).T, np.zeros((3, mean.b.shape[0]))))
        expected = np.linalg.lstsq(damped, missed, rcond=None)[0].T
        np.testing.assert_allclose(new.b - mean.b, expected, atol=1e-10)
        np.testing.assert_array_equal(new.a, mean.a)
        best = _objective(new.b, mean, wanted, regularisation)
        for _ in range(5):
            assert _objective(new.b + 1e-3 * random.standard_normal(new.b.shape), mean, wanted, regularisation) > best


def test_no_regularisation_is_the_projection_and_much_is_fedit() -> None:
    clients = cohort()
    for new, mean, wanted in zip(
        correct(clients, regularisation=0), mean_factors(clients), dense_means(clients), strict=True
    ):
        np.testing.assert_allclose(new.product(), wanted @ np.linalg.pinv(mean.a) @ mean.a, atol=1e-10)
    for new, mean in zip(correct(clients, regularisation=1e12), mean_factors(clients), strict=True):
        np.testing.assert_allclose(new.b, mean.b, atol=1e-9)


def test_beneath_a_common_a_nothing_is_corrected() -> None:
    clients = cohort(same_a=True)

    assert_products(correct(clients, regularisation=0.1), dense_means(clients))


def test_rows_of_zeros_in_a_are_left_alone() -> None:
    clients = [tuple(one.padded(5) for one in layers) for layers in cohort()]
    smaller = correct(cohort(), regularisation=0)

    for new, expected in zip(correct(clients, regularisation=0), smaller, strict=True):
        np.testing.assert_allclose(new.b, expected.padded(5).b, atol=1e-10)
    zero = [tuple(LayerFactors(a=np.zeros_like(one.a), b=one.b) for one in layers) for layers in cohort()]
    for new, mean in zip(correct(zero, regularisation=0), mean_factors(zero), strict=True):
        np.testing.assert_array_equal(new.b, mean.b)


@pytest.mark.parametrize("regularisation", [-1.0, float("nan"), float("inf")])
def test_a_regularisation_that_is_none_is_refused(regularisation: float) -> None:
    with pytest.raises(ValueError, match="regularisation"):
        correct(cohort(), regularisation=regularisation)
