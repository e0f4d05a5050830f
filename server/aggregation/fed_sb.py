"""Fed-SB's aggregation (Singhal et al., 2025, arXiv:2502.15371): the uniform mean of r x r cores R.

The weight is W + B R A with B and A fixed and the same on all devices, so B mean(R_i) A = mean(B R_i A): exact, linear
in what is sent, and r^2 numbers a layer, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.aggregation.cohort_layers import mean_of
from shared.lora_factors import LayerFactors


def mean_cores(clients: Sequence[Sequence[NDArray[np.floating]]]) -> tuple[NDArray[np.float64], ...]:
    """(rank, rank) means, layer by layer.

    Raises:
        ValueError: no devices or layers, different numbers of layers, shapes that differ or are not square, or NaN.
    """
    if not clients or not clients[0]:
        raise ValueError("there is nothing to aggregate of no devices or no layers")
    if any(len(layers) != len(clients[0]) for layers in clients):
        raise ValueError("devices must have the same number of layers")
    means = tuple(mean_of(layer) for layer in zip(*clients, strict=True))
    if any(core.ndim != 2 or core.shape[0] != core.shape[1] for core in means):
        raise ValueError("a core is a square matrix")
    return means


def core_factors(core: NDArray[np.floating], a: NDArray[np.floating], b: NDArray[np.floating]) -> LayerFactors:
    """Plain LoRA factors of B R A: R a (rank, in) and b (out, rank).

    Raises:
        ValueError: the shapes do not fit, or NaN or infinity.
    """
    if core.shape != (b.shape[1], a.shape[0]):
        raise ValueError("the core does not fit between its factors")
    return LayerFactors(a=core.astype(np.float64) @ a.astype(np.float64), b=b)
