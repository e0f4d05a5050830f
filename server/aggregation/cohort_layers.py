"""A cohort's factors, layer by layer: what every method here starts from.

Means are uniform, always. A count of examples that a device declares would be a number about its data and its own word,
and a sum weighted by it has no sensitivity that noise could be calibrated to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.lora_factors import LayerFactors, Layers


def by_layer(clients: Sequence[Layers], *, one_rank: bool = True) -> list[tuple[LayerFactors, ...]]:
    """Each layer's factors of all devices, devices in the order given.

    Args:
        clients: trained factors, device by device.
        one_rank: devices with another rank than the first are refused.

    Raises:
        ValueError: no devices, no layers, or devices whose layers differ in number or shape.
    """
    if not clients:
        raise ValueError("there is nothing to aggregate of no devices")
    if not clients[0]:
        raise ValueError("a device's factors have no layers")
    if any(len(layers) != len(clients[0]) for layers in clients):
        raise ValueError("devices must have the same number of layers")
    found = list(zip(*clients, strict=True))
    for number, layer in enumerate(found):
        if len({(one.b.shape[0], one.a.shape[1], one.rank if one_rank else 0) for one in layer}) > 1:
            raise ValueError(f"layer {number} must have one shape{' and rank' if one_rank else ''} on all devices")
    return found


def mean_of(matrices: Iterable[NDArray[np.floating]]) -> NDArray[np.float64]:
    """The uniform mean, summed in float64 in the order given.

    Raises:
        ValueError: none, different shapes, or NaN or infinity.
    """
    total: NDArray[np.float64] | None = None
    count = 0
    for count, matrix in enumerate(matrices, start=1):  # noqa: B007 (the last one is the count)
        if total is None:
            total = np.zeros(matrix.shape, dtype=np.float64)
        if matrix.shape != total.shape:
            raise ValueError("a mean is of matrices of one shape")
        total += matrix
    if total is None:
        raise ValueError("there is no mean of nothing")
    if not np.isfinite(total).all():
        raise ValueError("a mean of NaN or infinity is none")
    return total / count
