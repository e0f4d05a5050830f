"""RoLoRA's aggregation (Chen et al., 2025, arXiv:2502.01755): rounds train and average one factor, in turn.

With the other factor the same on all devices, mean(B_i) A = mean(B_i A) and B mean(A_i) = mean(B A_i): exact in every
round, linear in what is sent, half of FedIT's traffic. Uniform weights, for the reason given in
`server.aggregation.cohort_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from server.aggregation.cohort_layers import by_layer, mean_of
from shared.lora_factors import LayerFactors, Layers


def active_factor(round_number: int) -> Literal["a", "b"]:
    """What devices train in a round: b in odd rounds, as beneath its first zeros a would learn nothing; a in even ones.

    Raises:
        ValueError: rounds count from 1.
    """
    if round_number < 1:
        raise ValueError("rounds count from 1")
    return "b" if round_number % 2 else "a"


def mean_active(clients: Sequence[Layers], *, active: Literal["a", "b"]) -> Layers:
    """The mean of the active factor beside the other as it was.

    Raises:
        ValueError: no devices, different shapes or ranks, or devices that changed the factor they were to keep.
    """
    found = []
    for layer in by_layer(clients):
        kept = [one.b if active == "a" else one.a for one in layer]
        if any(not np.array_equal(one, kept[0]) for one in kept):
            raise ValueError(f"a device changed a factor that was not to be trained while {active} was")
        mean = mean_of(one.a if active == "a" else one.b for one in layer)
        found.append(LayerFactors(a=mean, b=kept[0]) if active == "a" else LayerFactors(a=kept[0], b=mean))
    return tuple(found)
