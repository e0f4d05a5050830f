"""FLoRA's aggregation (Wang et al., 2024, arXiv:2409.05976): stacking.

    [p_1 B_1 ... p_K B_K] [A_1; ...; A_K] = sum p_i B_i A_i

exactly, for any ranks. The price is the rank, the sum of all ranks, which travels to every device, and that the server
sees single factors: no secure sum can hide them. The paper weights by example counts; here p_i = 1/K, for the reason
given in `server.aggregation.cohort_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from server.aggregation.cohort_layers import by_layer
from shared.lora_factors import LayerFactors, Layers


def stack(clients: Sequence[Layers]) -> Layers:
    """Factors of rank sum(r_i), float64, whose product is mean(B_i A_i). Ranks may differ.

    Raises:
        ValueError: no devices, or layers that differ in number or shape.
    """
    return tuple(stacked(layer) for layer in by_layer(clients, one_rank=False))


def stacked(layer: Sequence[LayerFactors]) -> LayerFactors:
    """One layer of `stack`."""
    joined = concatenated(layer)
    return LayerFactors(a=joined.a, b=joined.b / len(layer))


def concatenated(layer: Sequence[LayerFactors]) -> LayerFactors:
    """Factors, float64, whose product is the sum of the products."""
    return LayerFactors(
        a=np.concatenate([one.a for one in layer], axis=0, dtype=np.float64),
        b=np.concatenate([one.b for one in layer], axis=1, dtype=np.float64),
    )
