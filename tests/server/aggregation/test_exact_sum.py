from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.aggregation.exact_sum import ExactSum

_SMALL = st.floats(min_value=-1.0, max_value=1.0, width=32)


@given(st.lists(_SMALL, min_size=1, max_size=60), st.randoms())
def test_a_mean_is_the_exact_one_rounded_in_any_order(values: list[float], random: object) -> None:
    expected = math.fsum(values) / len(values)
    for _ in range(3):
        random.shuffle(values)  # type: ignore[attr-defined]
        summed = ExactSum(1)
        for value in values:
            summed.add(np.array([value], dtype=np.float32))
        assert summed.mean()[0] == expected
        assert summed.count == len(values)


def test_what_a_plain_sum_loses_is_kept() -> None:
    summed = ExactSum(2)
    for value in (1.0, 2.0**-60, -1.0):
        summed.add(np.full(2, value, dtype=np.float32))
    assert summed.mean().tolist() == [2.0**-60 / 3] * 2


def test_nothing_has_no_mean_and_shapes_are_checked() -> None:
    summed = ExactSum(2)
    with pytest.raises(ValueError, match="no updates"):
        summed.mean()
    with pytest.raises(ValueError, match="one shape"):
        summed.add(np.zeros(3, dtype=np.float32))
