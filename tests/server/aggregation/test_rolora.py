from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from server.aggregation.rolora import active_factor, mean_active
from tests.server.aggregation.cohorts import assert_products, cohort, dense_means


def test_rounds_take_turns_and_begin_with_b() -> None:
    assert [active_factor(number) for number in (1, 2, 3, 4)] == ["b", "a", "b", "a"]
    with pytest.raises(ValueError, match="from 1"):
        active_factor(0)


@pytest.mark.parametrize("active", ["a", "b"])
def test_both_kinds_of_round_are_exact(active: Literal["a", "b"]) -> None:
    clients = cohort(same_a=active == "b", same_b=active == "a")
    new = mean_active(clients, active=active)

    assert_products(new, dense_means(clients))
    kept = "b" if active == "a" else "a"
    for one, before in zip(new, clients[0], strict=True):
        np.testing.assert_array_equal(getattr(one, kept), getattr(before, kept))


def test_a_device_that_changed_the_other_factor_is_found() -> None:
    with pytest.raises(ValueError, match="not to be trained"):
        mean_active(cohort(), active="b")
