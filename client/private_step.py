"""One DP-SGD step over preference pairs, through Opacus: per-pair clipping, noise of an explicit source, fixed scale.

The unit is one pair, because one packed row is one pair (`client.packing`). The relation is add-or-remove one pair.
With each pair drawn with probability q, a step is the Poisson-subsampled Gaussian mechanism with noise multiplier z:

    g = (sum over drawn pairs of clip(gradient, C) + N(0, (z C)^2 I)) / L

The denominator L is the plan's, not the device's count of pairs: that count is about the user.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from opacus.grad_sample.grad_sample_module import GradSampleHooks
from opacus.optimizers import DPOptimizer
from torch import Tensor, nn

from shared.adapter import AdaptedModel
from shared.privacy.noise import NoiseSource

# Opacus keeps its state on the parameters themselves.
_SAMPLES, _SUM = "grad_sample", "summed_grad"


@dataclass(frozen=True, kw_only=True)
class PairPrivacy:
    """DP-SGD over pairs.

    Attributes:
        noise_multiplier: z, standard deviation of the noise on the sum over C.
        sample_rate: q, the chance of each pair to be drawn in a step.
        max_grad_norm: C, L2 norm to which each pair's gradient is clipped.
    """

    noise_multiplier: float
    sample_rate: float
    max_grad_norm: float

    def __post_init__(self) -> None:
        if not self.noise_multiplier > 0 or not self.max_grad_norm > 0:
            raise ValueError("noise_multiplier and max_grad_norm must be above 0")
        if not 0 < self.sample_rate <= 1:
            raise ValueError("sample_rate must be above 0 and at most 1")


class PairGradientHooks(GradSampleHooks):  # type: ignore[misc]
    """Opacus' per-sample gradients, caught by a hook on each layer's output tensor.

    Opacus' own module hooks warn at the first adapted layer, whose input needs no gradient since `A` and the base are
    frozen, and wrap every layer's inputs in one more node of the graph.
    """

    def add_hooks(
        self, *, loss_reduction: str = "mean", batch_first: bool = True, force_functorch: bool = False
    ) -> None:
        """Hooks the forward passes of the layers given; passes without gradients leave nothing behind."""
        if force_functorch:
            raise ValueError("adapter factors are linear layers: functorch is not needed")
        self.autograd_grad_sample_hooks = self._module.autograd_grad_sample_hooks = []

        def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not (self.hooks_enabled and module.training and output.requires_grad):
                return
            self.capture_activations_hook(module, inputs, output)
            output.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: self.capture_backprops_hook(module, None, (gradient,), loss_reduction, batch_first)
            )

        for module in self.iterate_submodules(self._module):
            self.autograd_grad_sample_hooks.append(module.register_forward_hook(watch))
        self.enable_hooks()


class ExplicitNoiseOptimizer(DPOptimizer):  # type: ignore[misc]
    """Opacus' optimizer with the noise of a `NoiseSource`, and with pairs of no finite gradient counted as zero.

    Opacus' own secure mode needs a package that cannot be installed; without it, its noise is PyTorch's float32 one.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        privacy: PairPrivacy,
        expected_batch_size: float,
        noise: NoiseSource,
    ) -> None:
        super().__init__(
            optimizer,
            noise_multiplier=privacy.noise_multiplier,
            max_grad_norm=privacy.max_grad_norm,
            expected_batch_size=expected_batch_size,
            loss_reduction="mean",
        )
        self._noise = noise

    def clip_and_accumulate(self) -> None:
        """Clips each pair's gradient to C and adds it to the sum, whose L2 sensitivity to one pair is then C."""
        finite: Tensor | None = None
        for sample in self.grad_samples:
            here = (
                torch.isfinite(sample.reshape(len(sample), -1)).all(dim=1) if len(sample) else sample.new_ones(0).bool()
            )
            finite = here if finite is None else finite & here
        if finite is not None and not bool(finite.all()):
            for parameter in self.params:
                parameter.grad_sample[~finite] = 0.0
        super().clip_and_accumulate()

    def add_noise(self) -> None:
        """`grad = sum + z C n` with n standard normal from the source, drawn in float64."""
        scale = self.noise_multiplier * self.max_grad_norm
        for parameter in self.params:
            drawn = self._noise.normal(parameter.numel()) * scale
            noise = torch.from_numpy(drawn).to(parameter.device, parameter.dtype).reshape(parameter.shape)
            parameter.grad = parameter.summed_grad.reshape(parameter.shape) + noise


class PrivateStep:
    """The private steps of one device in one round: draw, collect per-pair gradients, clip, add noise, step.

    Used as a context manager; leaving it removes every hook and every per-pair gradient.
    """

    def __init__(
        self,
        adapted: AdaptedModel,
        optimizer: torch.optim.Optimizer,
        privacy: PairPrivacy,
        *,
        expected_batch_size: float,
        noise: NoiseSource,
    ) -> None:
        self._parameters = adapted.shared_parameters()
        self._modules = adapted.shared_modules()
        self._privacy = privacy
        self._noise = noise
        self._hooks = PairGradientHooks(self._modules, loss_reduction="sum", strict=False)
        self._optimizer = ExplicitNoiseOptimizer(
            optimizer, privacy=privacy, expected_batch_size=expected_batch_size, noise=noise
        )

    def __enter__(self) -> PrivateStep:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.cleanup()
        self._modules.eval()
        for parameter in self._parameters:
            parameter.grad = None
            for name in (_SAMPLES, _SUM, "_forward_counter", "_current_grad_sample"):
                if hasattr(parameter, name):
                    delattr(parameter, name)
        for module in self._modules:
            for name in ("activations", "max_batch_len"):
                if hasattr(module, name):
                    delattr(module, name)

    def draw(self, pairs: int) -> list[int]:
        """Indices of the pairs of the next step: each with probability q by itself, from the secret source."""
        return np.flatnonzero(self._noise.uniform(pairs) < self._privacy.sample_rate).tolist()

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Passes run inside leave each pair's gradient in `grad_sample`; the loss must be a sum over pairs."""
        # Opacus collects only from modules in training mode; the rest of the model must stay out of it (dropout).
        self._modules.train()
        try:
            yield
        finally:
            self._modules.eval()

    def clip_and_accumulate(self, pairs: int) -> None:
        """Adds the clipped gradients of the pass just run, on `pairs` pairs, to the step's sum.

        Raises:
            RuntimeError: a layer left another number of gradients than one a pair (`client.gradient_check`).
        """
        if any(len(getattr(parameter, _SAMPLES)) != pairs for parameter in self._parameters):
            raise RuntimeError("a layer did not leave one gradient a pair")
        self._optimizer.clip_and_accumulate()
        for parameter in self._parameters:
            setattr(parameter, _SAMPLES, None)
            parameter.grad = None

    def add_noise_and_step(self) -> None:
        """Adds the noise to the sum, which is zero if no pair was drawn, and takes the step."""
        for parameter in self._parameters:
            if getattr(parameter, _SUM) is None:
                setattr(parameter, _SUM, torch.zeros_like(parameter))
            # Everything drawn is in the sum already: what Opacus' step clips is an empty batch.
            setattr(parameter, _SAMPLES, parameter.new_zeros(0, *parameter.shape))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
