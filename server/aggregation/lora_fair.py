"""LoRA-FAIR's aggregation (Bian et al., 2024, arXiv:2411.14961, equation 8): the server corrects the mean B.

With W = mean(B_i A_i), and B and A the mean factors, the paper minimises S(W, (B + dB) A) + lambda ||dB|| over dB by
SGD, S being a measure of disagreement taken from cosine similarity. That does not see the length of what it compares,
and has no closed form. Here S is the squared distance and the penalty is squared,

    ||W - (B + dB) A||^2 + lambda ||dB||^2,    so    dB = (W - B A) A' (A A' + lambda I)^-1:

a ridge regression in products of r columns and r x r systems. Both objectives have the same ends: lambda = 0 is the
best that any B can do beneath this A, a large lambda is FedIT. Between them lambda is not the paper's (0.01): it is in
units of A A'. It needs the products B_i (A_i A') of single devices: no secure sum of factors can form them. Uniform
weights, for the reason given in `server.aggregation.cohort_layers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from server.aggregation.cohort_layers import by_layer, mean_of
from server.aggregation.fedit import mean_factors
from shared.lora_factors import LayerFactors, Layers


def correct(clients: Sequence[Layers], *, regularisation: float) -> Layers:
    """The mean a and the corrected mean b, float64.

    With regularisation 0, directions in which the mean a is zero are left alone (the least correction).

    Raises:
        ValueError: no devices, different shapes or ranks, or a regularisation below 0 or not finite.
    """
    if not (regularisation >= 0 and math.isfinite(regularisation)):
        raise ValueError("regularisation must be finite and at least 0")
    found = []
    for mean, layer in zip(mean_factors(clients), by_layer(clients), strict=True):
        # Centred, as in `fedex_lora`: W - B A is the covariance of the factors, and nothing cancels.
        missed = mean_of((one.b - mean.b) @ ((one.a - mean.a) @ mean.a.T) for one in layer)
        values, vectors = np.linalg.eigh(mean.a @ mean.a.T)
        damped = values + regularisation
        known = damped > np.finfo(np.float64).eps * len(values) * max(float(damped[-1]), 0.0)
        inverse = np.where(known, 1 / np.where(known, damped, 1.0), 0.0)
        found.append(LayerFactors(a=mean.a, b=mean.b + ((missed @ vectors) * inverse) @ vectors.T))
    return tuple(found)
