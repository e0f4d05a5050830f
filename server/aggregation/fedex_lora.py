"""FedEx-LoRA's aggregation (Singhal et al., 2024, arXiv:2410.09432): mean factors, and an exact residual.

What FedIT's means miss, mean(B_i A_i) - mean(B) mean(A), is added to the frozen weight, times the adapter's scale. It
is the covariance (1/K) sum (B_i - mean B)(A_i - mean A): factors of rank K r, of which at most (K-1) r are independent.
So written nothing cancels, and it is zero where devices agree. It needs single factors: no secure sum can hide them.
Uniform weights, for the reason given in `server.aggregation.cohort_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.aggregation.cohort_layers import by_layer
from server.aggregation.fedit import mean_factors
from server.aggregation.flora import concatenated
from shared.lora_factors import LayerFactors, Layers


def aggregate(clients: Sequence[Layers]) -> tuple[Layers, Layers]:
    """Mean factors, and the residual's factors (rank devices * rank, float64): `product()` makes them dense.

    Raises:
        ValueError: no devices, or different shapes or ranks.
    """
    means = mean_factors(clients)
    return means, tuple(
        concatenated([LayerFactors(a=one.a - mean.a, b=(one.b - mean.b) / len(clients)) for one in layer])
        for mean, layer in zip(means, by_layer(clients), strict=True)
    )
