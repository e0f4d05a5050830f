"""How far new factors are from the mean model: ||new - mean(B_i A_i)|| / ||mean(B_i A_i)|| over all layers together.

The deviation that FedEx-LoRA (arXiv:2410.09432) and FedRot-LoRA (arXiv:2602.23638) report, relative. No (out, in)
matrix is formed unless the stack of all factors is as wide as the layer: the difference is [B_1/K ... B_K/K, -B] times
[A_1; ...; A_K; A], and its norm that of R_b R_a' of their QR, good to float64 rounding of the stacks. Traces of Gram
matrices would lose half the digits, just where a method is nearly exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.aggregation.cohort_layers import by_layer
from server.aggregation.flora import concatenated, stack
from server.aggregation.thin_svd import triangle
from shared.lora_factors import LayerFactors, Layers


def aggregation_error(new: Layers, clients: Sequence[Layers], residuals: Layers | None = None) -> float:
    """The relative error of `new` (plus `residuals`) as the uniform mean of the devices' products.

    Where that mean is zero it is 0 if the new product is zero too, else infinity. Devices' ranks may differ.

    Raises:
        ValueError: no devices, or layers that differ in number or shape.
    """
    means = stack(clients)
    parts = [means, new] if residuals is None else [means, new, residuals]
    missed = wanted = 0.0
    for mean, *approximations in by_layer(parts, one_rank=False):
        layer_missed, layer_wanted = _norms(mean, concatenated(approximations))
        missed, wanted = missed + layer_missed**2, wanted + layer_wanted**2
    if wanted == 0:
        return 0.0 if missed == 0 else math.inf
    return math.sqrt(missed / wanted)


def _norms(mean: LayerFactors, approximation: LayerFactors) -> tuple[float, float]:
    """||mean - approximation|| and ||mean||."""
    dense = mean.rank + approximation.rank >= min(mean.b.shape[0], mean.a.shape[1])
    if dense:
        wanted = mean.product()
        return _norm(wanted - approximation.product()), _norm(wanted)
    left = triangle(np.concatenate((mean.b, -approximation.b), axis=1))
    right = triangle(np.concatenate((mean.a, approximation.a)).T)
    # The first columns of R are the R of the first columns.
    return _norm(left @ right.T), _norm(left[:, : mean.rank] @ right[:, : mean.rank].T)


def _norm(matrix: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(matrix))
