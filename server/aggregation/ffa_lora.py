"""FFA-LoRA's aggregation (Sun et al., 2024, arXiv:2403.12313): the uniform mean of the devices' B.

All devices share one frozen A, so mean(B_i) A = mean(B_i A): averaging what is shared averages the models, exactly.
Weights are uniform. A count of pairs that a device declares would be a number about its data, and would break the
sensitivity that noise is calibrated to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean_update(updates: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(d,) mean of updates (d,), summed in float64 in the order given: the caller fixes the order.

    Raises:
        ValueError: no updates, or different shapes.
    """
    if not updates:
        raise ValueError("there is no mean of no updates")
    total = np.zeros(updates[0].shape, dtype=np.float64)
    for update in updates:
        if update.shape != total.shape:
            raise ValueError("updates must have one shape")
        total += update
    return total / len(updates)
