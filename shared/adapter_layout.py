"""Between a state vector and the factors of its layers, which aggregation methods are written in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.adapter_methods import Factor
from shared.adapter_spec import AdapterSpec
from shared.lora_factors import LayerFactors


def layers_of(spec: AdapterSpec, state: NDArray[np.floating]) -> tuple[LayerFactors, ...]:
    """The factors A and B of every layer, float64 copies; of a method whose state holds both."""
    found: dict[str, dict[Factor, NDArray[np.float64]]] = {}
    for layer, factor, values in spec.arrays(state):
        if factor in ("a", "b"):
            found.setdefault(layer, {})[factor] = values.astype(np.float64)
    return tuple(LayerFactors(a=one["a"], b=one["b"]) for one in found.values())


def with_layers(
    spec: AdapterSpec,
    state: NDArray[np.floating],
    layers: Sequence[LayerFactors],
    *,
    residuals: Sequence[NDArray[np.float64]] | None = None,
) -> NDArray[np.float32]:
    """(state_dimension,) float32: the state with these factors in it, and these residuals if there are any."""
    out = state.astype(np.float64)
    order = {name: index for index, name in enumerate(dict.fromkeys(layer for layer, _, _ in spec.arrays(state)))}
    for layer, factor, values in spec.arrays(out):
        one = layers[order[layer]]
        if factor == "residual":
            if residuals is not None:
                values[...] = residuals[order[layer]]
        else:
            values[...] = one.a if factor == "a" else one.b
    return out.astype(np.float32)


def residuals_of(spec: AdapterSpec, state: NDArray[np.floating]) -> tuple[NDArray[np.float64], ...]:
    """The dense residual (out, in) of every layer."""
    return tuple(v.astype(np.float64) for _, factor, v in spec.arrays(state) if factor == "residual")
