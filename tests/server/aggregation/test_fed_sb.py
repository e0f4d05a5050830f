from __future__ import annotations

import numpy as np
import pytest

from server.aggregation.fed_sb import core_factors, mean_cores


def test_the_mean_of_cores_is_the_mean_of_models() -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((3, 30)).astype(np.float32), random.standard_normal((20, 3)).astype(np.float32)
    cores = [random.standard_normal((3, 3)).astype(np.float32) for _ in range(5)]
    (mean,) = mean_cores([(core,) for core in cores])
    factors = core_factors(mean, a, b)

    dense = np.mean([b.astype(np.float64) @ core.astype(np.float64) @ a for core in cores], axis=0)
    np.testing.assert_allclose(factors.product(), dense, atol=1e-12)
    assert factors.b is b


def test_bad_cores_are_refused() -> None:
    with pytest.raises(ValueError, match="no devices"):
        mean_cores([])
    with pytest.raises(ValueError, match="same number of layers"):
        mean_cores([(np.eye(2),), (np.eye(2), np.eye(2))])
    with pytest.raises(ValueError, match="one shape"):
        mean_cores([(np.eye(2),), (np.eye(3),)])
    with pytest.raises(ValueError, match="square"):
        mean_cores([(np.ones((2, 3)),)])
    with pytest.raises(ValueError, match="NaN"):
        mean_cores([(np.full((2, 2), np.nan),)])
    with pytest.raises(ValueError, match="does not fit"):
        core_factors(np.eye(2), np.ones((3, 4)), np.ones((4, 3)))
