"""FedSA-LoRA's aggregation (Guo et al., 2024, arXiv:2410.01463): only A is shared and averaged, A <- mean(A_i).

Every device keeps its own B, which never leaves it, and trains both from mean(A_i): A learns what all have in common, B
what one has for itself. There is no global model that the mean could miss. Uniform weights, for the reason given in
`server.aggregation.cohort_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.aggregation.cohort_layers import mean_of


def mean_a(clients: Sequence[Sequence[NDArray[np.floating]]]) -> tuple[NDArray[np.float64], ...]:
    """(rank, in) means of the devices' a, layer by layer.

    Raises:
        ValueError: no devices or layers, different numbers of layers, different shapes, or NaN or infinity.
    """
    if not clients or not clients[0]:
        raise ValueError("there is nothing to aggregate of no devices or no layers")
    if any(len(layers) != len(clients[0]) for layers in clients):
        raise ValueError("devices must have the same number of layers")
    return tuple(mean_of(layer) for layer in zip(*clients, strict=True))
