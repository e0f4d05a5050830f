from __future__ import annotations

import numpy as np

from server.aggregation.hetlora import aggregate, weights
from shared.lora_factors import LayerFactors
from tests.server.aggregation.cohorts import cohort


def test_padded_factors_are_weighted_by_the_norms_of_their_products() -> None:
    clients = cohort(ranks=(1, 4, 2))
    for number, new in enumerate(aggregate(clients)):
        layer = [one[number] for one in clients]
        norms = np.array([np.linalg.norm(one.product()) for one in layer])
        shares = norms / norms.sum()

        np.testing.assert_allclose(weights(layer), shares, rtol=1e-10)
        padded = [one.padded(4) for one in layer]
        np.testing.assert_allclose(new.a, sum(p * one.a for p, one in zip(shares, padded, strict=True)), atol=1e-6)
        np.testing.assert_allclose(new.b, sum(p * one.b for p, one in zip(shares, padded, strict=True)), atol=1e-6)


def test_a_device_that_learned_nothing_does_not_dilute() -> None:
    learned, idle = cohort(ranks=(3, 3))
    idle = tuple(LayerFactors(a=one.a, b=np.zeros_like(one.b)) for one in idle)

    for new, one in zip(aggregate([idle, learned]), learned, strict=True):
        np.testing.assert_allclose(new.product(), one.product(), atol=1e-10)


def test_weights_are_uniform_where_nobody_learned() -> None:
    one = LayerFactors(a=np.ones((1, 3)), b=np.zeros((2, 1)))

    np.testing.assert_array_equal(weights([one, one]), [0.5, 0.5])
