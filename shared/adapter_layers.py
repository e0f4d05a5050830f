"""What an adapted layer holds beside PEFT's two factors: a core between them, and a residual beside them."""

from __future__ import annotations

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from torch.nn.functional import linear


class CoredFactor(nn.Module):
    """A linear layer of PEFT's `A`, followed by the r by r core R: `x -> R A x` (Fed-SB, arXiv:2502.15371).

    It stands where PEFT has `A`, and its `weight` is that of a plain LoRA with the same product.
    """

    def __init__(self, inner: nn.Linear, *, rank: int) -> None:
        super().__init__()
        self.inner = inner
        self.core = nn.Linear(rank, rank, bias=False, device=inner.weight.device, dtype=inner.weight.dtype)

    @property
    def weight(self) -> Tensor:
        """(rank, in): R A."""
        return self.core.weight @ self.inner.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.core(self.inner(x))
        return out


class Residual:
    """A dense matrix (out, in) added to an adapted layer's weight, for as long as it is switched on."""

    def __init__(self, layer: LoraLayer, *, shape: tuple[int, int], like: Tensor) -> None:
        self.weight = torch.zeros(shape, dtype=like.dtype, device=like.device)
        self.on = True
        layer.register_forward_hook(self._add)

    def _add(self, _layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if not self.on:
            return None
        return output + linear(inputs[0].to(self.weight.dtype), self.weight).to(output.dtype)


def exact_factors(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(A (r, in), B (out, r)) in float32 with B A = weight, r its numerical rank, at least 1."""
    u, s, vh = torch.linalg.svd(weight.double(), full_matrices=False)
    kept = max(1, int((s > s.max() * 1e-7).sum()) if float(s.max()) > 0 else 1)
    root = s[:kept].sqrt()
    return (root[:, None] * vh[:kept]).float(), (u[:, :kept] * root).float()
