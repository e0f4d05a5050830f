"""How an adapted layer begins: derived from the plan and the base model alone, so that all parties hold the same."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from peft.tuners.lora import LoraLayer
from transformers.pytorch_utils import Conv1D

from shared.adapter_basis import frozen_factors
from shared.adapter_layers import CoredFactor
from shared.adapter_spec import SUFFIXES, AdapterConfig, AdapterError, first_factor

# What PEFT calls the one adapter that a model has here.
ADAPTER = "default"


def begin(name: str, layer: LoraLayer, config: AdapterConfig) -> None:
    """Sets a fresh layer's factors: A drawn, B zero; with a core, both of its basis and the core zero.

    Raises:
        AdapterError: the layer is narrower than the rank, where the method cannot have that, or its weights are packed
            and the basis is to come from them.
    """
    a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    if config.federation.splits and config.rank > min(a.shape[1], b.shape[0]):
        raise AdapterError(f"{name} is narrower than the rank {config.rank}, which {config.method} cannot have")
    with torch.no_grad():
        if "core" not in config.federation.has:
            a.copy_(torch.from_numpy(first_factor(f"{name}.{SUFFIXES['a']}", tuple(a.shape), config.seed)))
            b.zero_()
            return
        rows, columns = frozen_factors(name, _base_weight(name, layer, config), config)
        a.copy_(torch.from_numpy(rows))
        b.copy_(torch.from_numpy(columns))
        cored = CoredFactor(layer.lora_A[ADAPTER], rank=config.rank)
        cored.core.weight.zero_()
        layer.lora_A[ADAPTER] = cored


def _base_weight(name: str, layer: LoraLayer, config: AdapterConfig) -> NDArray[np.floating]:
    """(out, in) the weight that a layer adapts; of a drawn basis nothing but its shape."""
    shape = (layer.lora_B[ADAPTER].weight.shape[0], layer.lora_A[ADAPTER].weight.shape[1])
    if config.basis == "drawn":
        return np.broadcast_to(np.float32(0), shape)
    base = layer.get_base_layer()
    weight = base.weight.T if isinstance(base, Conv1D) else base.weight
    if not weight.is_floating_point() or tuple(weight.shape) != shape:
        raise AdapterError(f"{name} holds packed weights, which have no basis: load them unpacked, or draw the basis")
    found: NDArray[np.floating] = weight.detach().double().cpu().numpy()
    return found
