"""HetLoRA's aggregation (Cho et al., 2024, arXiv:2401.06432): zero-padding, and means weighted by "sparsity".

Devices of small rank are padded with zeros to the largest. B and A are averaged, layer by layer, with weights

    p_i = ||B_i A_i|| / sum_j ||B_j A_j||,

Frobenius norms (those of the singular values), so that devices that learned little do not dilute. The weights are
numbers about a device's data: noise calibrated to uniform ones does not cover a sum weighted so, and no secure sum can
form it. It is here to compare with, where the server is trusted. The paper's self-pruning of ranks is the devices'
part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.aggregation.cohort_layers import by_layer
from server.aggregation.thin_svd import product_norm
from shared.lora_factors import LayerFactors, Layers


def aggregate(clients: Sequence[Layers]) -> Layers:
    """Weighted mean factors of the largest rank, float64. A device takes its own rank by `LayerFactors.truncated`.

    Raises:
        ValueError: no devices, or layers that differ in number or shape.
    """
    found = []
    for layer in by_layer(clients, one_rank=False):
        shares = weights(layer)
        rank = max(one.rank for one in layer)
        a, b = np.zeros((rank, layer[0].a.shape[1])), np.zeros((layer[0].b.shape[0], rank))
        for share, one in zip(shares, layer, strict=True):
            a[: one.rank] += share * one.a.astype(np.float64)
            b[:, : one.rank] += share * one.b.astype(np.float64)
        found.append(LayerFactors(a=a, b=b))
    return tuple(found)


def weights(layer: Sequence[LayerFactors]) -> NDArray[np.float64]:
    """(devices,) p_i of one layer, which sum to 1; uniform where all products are zero."""
    norms = np.array([product_norm(one) for one in layer])
    total = norms.sum()
    return norms / total if total > 0 else np.full(len(layer), 1 / len(layer))
