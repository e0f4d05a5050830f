"""FlexLoRA's aggregation (Bai et al., 2024, arXiv:2402.11505): the SVD of mean(B_i A_i) = U S V', cut to a rank.

These are the best factors of that rank (Eckart-Young), B = U S and A = V', from the stacked factors of all devices
(`server.aggregation.thin_svd`): no dense SVD. Devices of smaller ranks take the leading part by
`LayerFactors.truncated`. It needs single factors, or a secure sum of out * in numbers a layer. Uniform weights, for the
reason given in `server.aggregation.cohort_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.aggregation.cohort_layers import by_layer
from server.aggregation.flora import stacked
from server.aggregation.thin_svd import leading_svd
from shared.lora_factors import LayerFactors, Layers


def aggregate(clients: Sequence[Layers], *, rank: int) -> Layers:
    """a = V', b = U S of the `rank` leading directions, float64. Devices' ranks may differ.

    Raises:
        ValueError: no devices, layers that differ in number or shape, or fewer directions than `rank`.
    """
    found = []
    for layer in by_layer(clients, one_rank=False):
        u, s, vt = leading_svd(stacked(layer), rank)
        found.append(LayerFactors(a=vt, b=u * s))
    return tuple(found)
