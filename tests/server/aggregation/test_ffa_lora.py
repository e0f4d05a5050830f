from __future__ import annotations

import numpy as np
import pytest

from server.aggregation.ffa_lora import mean_update


def test_the_mean_of_what_is_shared_is_the_mean_of_the_models() -> None:
    random = np.random.default_rng(0)
    factor = random.standard_normal((4, 30))
    shared = [random.standard_normal((20, 4)).astype(np.float32) for _ in range(5)]

    mean = mean_update([one.ravel() for one in shared]).reshape(20, 4)

    dense = np.mean([one.astype(np.float64) @ factor for one in shared], axis=0)
    np.testing.assert_allclose(mean @ factor, dense, rtol=1e-12)


def test_the_sum_is_in_float64() -> None:
    big, small = np.full(1, 1e8, dtype=np.float32), np.full(1, 1.0, dtype=np.float32)

    assert mean_update([big, small, -big])[0] == pytest.approx(1 / 3)


def test_no_updates_or_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="no updates"):
        mean_update([])
    with pytest.raises(ValueError, match="one shape"):
        mean_update([np.zeros(2, dtype=np.float32), np.zeros(1, dtype=np.float32)])
