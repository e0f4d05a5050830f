"""FedSVD's refactoring (Lee et al., 2025, arXiv:2505.12805): B A = U S V', then A <- V', B <- U S.

Devices train and send only B, so that their mean is exact as in FFA-LoRA, and A follows what was learned. A with
orthonormal rows bounds the gradient of B. It is a function of released factors alone: post-processing, which costs no
privacy.
"""

from __future__ import annotations

import numpy as np

from server.aggregation.thin_svd import thin_svd
from shared.lora_factors import LayerFactors, Layers


def refactor(layers: Layers) -> Layers:
    """The same products with orthonormal a, float64, leading directions first, signed as in `thin_svd`.

    Directions that b does not use (all of them before the first round) come after those it does and complete a within
    the rows of the a given, orthonormalised: a never becomes zero and learning can go on.

    Raises:
        ValueError: a rank above a layer's width or height, which has not so many directions.
    """
    found = []
    for layer in layers:
        if layer.rank > min(layer.a.shape[1], layer.b.shape[0]):
            raise ValueError(f"a layer of {layer.b.shape[0]} x {layer.a.shape[1]} has no {layer.rank} directions")
        u, s, vt = thin_svd(layer)
        found.append(LayerFactors(a=vt, b=np.multiply(u, s)))
    return tuple(found)
