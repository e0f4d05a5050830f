"""FedIT's aggregation (Zhang et al., 2023, arXiv:2305.05644): B and A are averaged, each by itself.

Not exact: mean(B) mean(A) misses mean(B_i A_i) by the covariance mean((B_i - mean B)(A_i - mean A)), which
`server.aggregation.aggregation_error` measures. Sums of the factors are all that it needs. The paper's weights by
example counts are left out, for the reason given in `server.aggregation.cohort_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.aggregation.cohort_layers import by_layer, mean_of
from shared.lora_factors import LayerFactors, Layers


def mean_factors(clients: Sequence[Layers]) -> Layers:
    """The means of b and of a, layer by layer.

    Raises:
        ValueError: no devices, or different shapes or ranks.
    """
    return tuple(
        LayerFactors(a=mean_of(one.a for one in layer), b=mean_of(one.b for one in layer))
        for layer in by_layer(clients)
    )
