from __future__ import annotations

import numpy as np
import pytest

from server.aggregation.fedsa_lora import mean_a
from tests.server.aggregation.cohorts import cohort


def test_a_is_averaged() -> None:
    sent = [tuple(one.a for one in layers) for layers in cohort()]
    for number, mean in enumerate(mean_a(sent)):
        np.testing.assert_allclose(mean, np.mean([one[number] for one in sent], axis=0, dtype=np.float64), rtol=1e-12)


def test_bad_cohorts_are_refused() -> None:
    with pytest.raises(ValueError, match="no devices"):
        mean_a([])
    with pytest.raises(ValueError, match="no layers"):
        mean_a([()])
    with pytest.raises(ValueError, match="same number of layers"):
        mean_a([(np.ones((1, 2)),), ()])
    with pytest.raises(ValueError, match="one shape"):
        mean_a([(np.ones((1, 2)),), (np.ones((2, 2)),)])
    with pytest.raises(ValueError, match="NaN"):
        mean_a([(np.full((1, 2), np.nan),)])
