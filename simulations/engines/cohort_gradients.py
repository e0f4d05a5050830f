"""The first gradients of many devices in common passes: what each would have computed alone, to float tolerance.

One row is one pair (`client.packing`), and Opacus' hooks leave each row's gradient of the adapter's layers: a device's
gradient is the sum of its rows. All devices must stand at the same state of the adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from client.gradient_check import check_pair_gradients
from client.persona_dpo import PersonaDpoLoss
from client.prepared_pairs import CostMeter, PreparedPair
from client.private_step import PairGradientHooks
from client.training import TrainingConfig, packed_losses
from shared.adapter import AdaptedModel


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceGradient:
    """Attributes:
    loss: of each of the device's pairs, in their order, without a graph.
    gradients: of the mean loss over its pairs, by parameter, in the order of `AdaptedModel.shared_parameters`.
    """

    loss: PersonaDpoLoss
    gradients: tuple[Tensor, ...]


def gradients_by_device(
    adapted: AdaptedModel, devices: Sequence[Sequence[PreparedPair]], config: TrainingConfig, *, rows_per_pass: int
) -> list[DeviceGradient]:
    """The gradient of each device's mean loss over its pairs, of which it has at least one.

    Args:
        rows_per_pass: pairs that share a pass, at most; the model's limit of tokens holds too (`client.pass_size`).

    Raises:
        UnsupportedArchitectureError: the model's layers do not keep rows apart.
    """
    check_pair_gradients(adapted)
    parameters, modules = adapted.shared_parameters(), adapted.shared_modules()
    pairs = [pair for own in devices for pair in own]
    owner = torch.tensor([number for number, own in enumerate(devices) for _ in own], device=parameters[0].device)
    sums = [torch.zeros(len(devices), *parameter.shape, device=parameter.device) for parameter in parameters]
    rows = torch.zeros(4, len(pairs), device=parameters[0].device)
    hooks = PairGradientHooks(modules, loss_reduction="sum", strict=False)
    modules.train()  # Opacus collects only from modules in training mode
    try:
        wide = replace(config, pairs_per_pass=rows_per_pass)
        for places, loss in packed_losses(adapted, pairs, wide, CostMeter()):
            loss.total.sum().backward()  # type: ignore[no-untyped-call]
            for parameter, total in zip(parameters, sums, strict=True):
                samples: Tensor = parameter.grad_sample  # type: ignore[attr-defined]
                total.index_add_(0, owner[places], samples.detach().to(total.dtype))
                parameter.grad_sample, parameter.grad = None, None  # type: ignore[attr-defined]
            found = (loss.preference, loss.chosen_nll, loss.total, loss.margin)
            rows[:, places] = torch.stack([part.detach().to(rows.dtype) for part in found])
    finally:
        hooks.cleanup()
        modules.eval()
        for parameter in parameters:
            parameter.grad = None
            for name in ("grad_sample", "_forward_counter", "_current_grad_sample"):
                if hasattr(parameter, name):
                    delattr(parameter, name)
        for module in modules:
            for name in ("activations", "max_batch_len"):
                if hasattr(module, name):
                    delattr(module, name)
    made, first = [], 0
    for number, own in enumerate(devices):
        mine = rows[:, first : first + len(own)]
        first += len(own)
        made.append(
            DeviceGradient(
                loss=PersonaDpoLoss(preference=mine[0], chosen_nll=mine[1], total=mine[2], margin=mine[3]),
                gradients=tuple(total[number] / len(own) for total in sums),
            )
        )
    return made
