from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.aggregation import fedex_lora, flora
from server.aggregation.aggregation_error import aggregation_error
from server.aggregation.fedit import mean_factors
from shared.lora_factors import LayerFactors, Layers
from tests.server.aggregation.cohorts import cohort, dense_means


def _dense(new: Layers, clients: list[Layers]) -> float:
    means = dense_means(clients)
    missed = sum(np.sum((one.product() - mean) ** 2) for one, mean in zip(new, means, strict=True))
    return math.sqrt(missed / sum(np.sum(mean**2) for mean in means))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=3),
)
def test_it_is_that_of_dense_matrices(seed: int, ranks: list[int], shapes: list[tuple[int, int]]) -> None:
    clients = cohort(seed, ranks=ranks, shapes=shapes)
    new = cohort(seed + 1, ranks=(2,), shapes=shapes)[0]

    assert aggregation_error(new, clients) == pytest.approx(_dense(new, clients), rel=1e-9)


def test_small_errors_are_measured_to_many_digits() -> None:
    """One part in 1e9, which traces of Gram matrices cannot tell from nothing."""
    clients = cohort(same_a=True, shapes=((60, 70),))
    mean = mean_factors(clients)[0]
    near = (LayerFactors(a=mean.a, b=mean.b * (1 + 1e-9)),)

    assert aggregation_error(near, clients) == pytest.approx(1e-9, rel=1e-5)


@pytest.mark.parametrize("shape", [(60, 70), (10, 70)])
def test_exact_methods_have_none_and_a_residual_counts(shape: tuple[int, int]) -> None:
    clients = cohort(shapes=(shape,))
    means, residuals = fedex_lora.aggregate(clients)

    assert aggregation_error(flora.stack(clients), clients) < 1e-14
    assert aggregation_error(means, clients) > 0.1
    assert aggregation_error(means, clients, residuals) < 1e-14


def test_beside_a_mean_of_zero_any_product_is_infinitely_wrong() -> None:
    zero = [tuple(LayerFactors(a=one.a, b=np.zeros_like(one.b)) for one in layers) for layers in cohort()]

    assert aggregation_error(zero[0], zero) == 0
    assert aggregation_error(cohort()[0], zero) == math.inf


def test_other_layers_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of layers"):
        aggregation_error(cohort()[0][:1], cohort())
    with pytest.raises(ValueError, match="one shape"):
        aggregation_error(cohort(shapes=((20, 31), (17, 9)))[0], cohort())
