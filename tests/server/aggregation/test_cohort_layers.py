from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from server.aggregation import fedask, fedex_lora, fedit, flexlora, flora, hetlora, lora_fair, rolora
from server.aggregation.aggregation_error import aggregation_error
from server.aggregation.cohort_layers import by_layer, mean_of
from shared.lora_factors import Layers
from tests.server.aggregation.cohorts import cohort

_ANY_RANK: dict[str, Callable[[Sequence[Layers]], object]] = {
    "fedask": lambda clients: fedask.aggregate(clients, rank=2, oversampling=2, seed=0),
    "flexlora": lambda clients: flexlora.aggregate(clients, rank=2),
    "flora": flora.stack,
    "hetlora": hetlora.aggregate,
    "aggregation_error": lambda clients: aggregation_error(cohort()[0], clients),
}
_ONE_RANK: dict[str, Callable[[Sequence[Layers]], object]] = {
    "fedit": fedit.mean_factors,
    "fedex_lora": fedex_lora.aggregate,
    "lora_fair": lambda clients: lora_fair.correct(clients, regularisation=0.1),
    "rolora": lambda clients: rolora.mean_active(clients, active="b"),
}


@pytest.mark.parametrize("method", [*_ANY_RANK.values(), *_ONE_RANK.values()], ids=[*_ANY_RANK, *_ONE_RANK])
def test_every_method_refuses_cohorts_that_do_not_agree(method: Callable[[Sequence[Layers]], object]) -> None:
    clients = cohort(same_a=True)

    with pytest.raises(ValueError, match="no devices"):
        method([])
    with pytest.raises(ValueError, match="no layers"):
        method([()])
    with pytest.raises(ValueError, match="same number of layers"):
        method([clients[0], clients[1][:1]])
    with pytest.raises(ValueError, match="layer 1 must have one shape"):
        method([clients[0], cohort(shapes=((20, 30), (17, 10)))[0]])


@pytest.mark.parametrize("method", _ONE_RANK.values(), ids=_ONE_RANK)
def test_methods_of_one_rank_refuse_others(method: Callable[[Sequence[Layers]], object]) -> None:
    with pytest.raises(ValueError, match="layer 0 must have one shape and rank"):
        method(cohort(ranks=(3, 2)))


def test_layers_come_with_all_devices_in_order() -> None:
    clients = cohort()

    assert by_layer(clients) == [tuple(one[0] for one in clients), tuple(one[1] for one in clients)]


def test_the_mean_is_uniform_and_summed_in_float64() -> None:
    big, small = np.full((1, 1), 1e8, dtype=np.float32), np.full((1, 1), 1.0, dtype=np.float32)

    assert mean_of([big, small, -big])[0, 0] == pytest.approx(1 / 3)


def test_means_of_nothing_of_different_shapes_and_of_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="no mean of nothing"):
        mean_of([])
    with pytest.raises(ValueError, match="one shape"):
        mean_of([np.zeros((2, 1)), np.zeros((1, 2))])
    with pytest.raises(ValueError, match="NaN"):
        mean_of([np.full((1, 1), np.nan)])
