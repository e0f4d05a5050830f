"""The adapter in a model: the few parameters that are trained on devices, shared, aggregated and released.

Every adapted weight is `W + (alpha / r) B A`, with a core, `B R A`, or a residual beside it where the method has one
(`shared.adapter_methods`). All parties derive the beginning from one seed, and in it the model says what it said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from shared.adapter_beginning import ADAPTER, begin
from shared.adapter_layers import CoredFactor, Residual, exact_factors
from shared.adapter_methods import Factor
from shared.adapter_spec import SUFFIXES, AdapterConfig, AdapterError, AdapterSpec
from shared.language_model import LanguageModel

_PREFIX = "base_model.model."


class AdaptedModel:
    """A language model with an adapter in it. `language_model` generates and scores WITH the adapter.

    Attributes:
        spec: what is shared.
        language_model: the model it was attached to, which is changed in place.
        peft_model: the same model as PEFT wraps it.
        layers: the adapted layers, in order.
    """

    def __init__(self, *, spec: AdapterSpec, language_model: LanguageModel, peft_model: PeftModel) -> None:
        """Use `attach_adapter`."""
        self.spec = spec
        self.language_model = language_model
        self.peft_model = peft_model
        named = _named_layers(peft_model)
        self.layers: tuple[LoraLayer, ...] = tuple(layer for _, layer in named)
        method = spec.config.federation
        self._residuals: dict[str, Residual] = {}
        if "residual" in method.sent_down:
            self._residuals = {name: _add_residual(layer) for name, layer in named}
        held = {name: _tensors(layer, self._residuals.get(name)) for name, layer in named}
        self._held: dict[str, dict[Factor, Tensor]] = held
        # Frozen factors as they begin: one device of a smaller rank zeroes rows of them, and the next may need them.
        self._frozen = {
            (name, factor): tensor.detach().clone()
            for name, tensors in held.items()
            for factor, tensor in tensors.items()
            if spec.config.ranks != "same" and factor not in (*method.sent_down, *method.personal)
        }
        self._modules: dict[Factor, list[nn.Module]] = {
            "a": [layer.lora_A[ADAPTER] for layer in self.layers],
            "b": [layer.lora_B[ADAPTER] for layer in self.layers],
            "core": [getattr(layer.lora_A[ADAPTER], "core", layer) for layer in self.layers],
        }
        # Once: to find them takes longer than to mark them, which is done three times a device.
        self._of_layers = [parameter for layer in self.layers for parameter in layer.parameters()]
        self._trained, self._kept = method.factors(1), method.personal
        self._freeze()
        self._begun = self.read()

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters that the round's update holds, in spec order: float32, and take a gradient."""
        return self._parameters_of(self._trained)

    def personal_parameters(self) -> list[nn.Parameter]:
        """The parameters that are trained and stay on the device; none with most methods, but in `personal_only`."""
        return self._parameters_of(self._kept)

    def shared_modules(self) -> nn.ModuleList:
        """The submodules that hold the shared parameters, in spec order (where per-pair gradients are collected)."""
        return nn.ModuleList([
            self._modules[factor][index]
            for index, tensors in enumerate(self._held.values())
            for factor in tensors
            if factor in self._trained
        ])  # fmt: skip

    def load(self, vector: NDArray[np.float32], *, round_number: int = 1, rank: int | None = None) -> None:
        """Sets the state from a flat float32 vector (state_dimension,), and what is trained from the round's number.

        Factors that stay on the device begin anew: see `load_personal`.

        Args:
            rank: of the device, if it holds fewer rows of A and columns of B than the state has: the rest is zero.

        Raises:
            AdapterError: wrong shape, dtype, or a value that is not finite.
        """
        self._set(vector, self.spec.state_dimension, self.spec.config.federation.sent_down)
        with torch.no_grad():
            for (name, factor), begun in self._frozen.items():
                self._held[name][factor].copy_(begun)
            if rank is not None and rank < self.spec.config.rank:
                for tensors in self._held.values():
                    _cut(tensors, rank)
        self._trained = self.spec.config.federation.factors(round_number)
        self._kept = self.spec.config.federation.personal
        self.load_personal(None)
        self._freeze()

    def personal_only(self) -> None:
        """From now to the next `load` nothing is trained that is shared, and `personal_parameters` is what stays.

        Those that the method keeps; where it keeps none, the ones that a first round trains.
        """
        self._trained, self._kept = (), self._kept or self.spec.config.federation.factors(1)
        self._freeze()

    def beginning(self) -> NDArray[np.float32]:
        """(state_dimension,) the state of a fresh adapter, a copy."""
        return self._begun.copy()

    def read(self) -> NDArray[np.float32]:
        """The state as a flat float32 vector (state_dimension,), a copy."""
        return self._get(self.spec.config.federation.sent_down)

    def load_personal(self, vector: NDArray[np.float32] | None) -> None:
        """Sets the factors that stay on the device from a flat vector; None begins anew, with zeros.

        Raises:
            AdapterError: as `load`.
        """
        size = sum(parameter.numel() for parameter in self.personal_parameters())
        self._set(np.zeros(size, dtype=np.float32) if vector is None else vector, size, self._kept)

    def read_personal(self) -> NDArray[np.float32]:
        """The factors that stay on the device, a flat copy; of no numbers with most methods."""
        return self._get(self._kept)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base model alone: the reference of DPO."""
        self._switch(on=False)
        try:
            yield
        finally:
            self._switch(on=True)

    def save(self, directory: Path) -> None:
        """Writes `adapter_config.json` and `adapter_model.safetensors`, as `PeftModel.from_pretrained` reads them.

        A plain LoRA of the same product: a core is multiplied in, and a residual makes it as wide as it has to be. The
        base model is named as it is known, never by a path on this machine. The same adapter gives the same bytes.
        """
        directory.mkdir(parents=True, exist_ok=True)
        settings = self.peft_model.peft_config[ADAPTER].to_dict()
        factors = self._plain_factors()
        widest = max(a.shape[0] for a, _ in factors.values())
        if self._residuals:  # its scale is in the factors
            settings |= {"r": widest, "lora_alpha": float(widest)}
        weights = {}
        for name, (a, b) in factors.items():
            missing = (widest if self._residuals else a.shape[0]) - a.shape[0]
            weights[f"{_PREFIX}{name}.{SUFFIXES['a']}"] = nn.functional.pad(a, (0, 0, 0, missing)).contiguous()
            weights[f"{_PREFIX}{name}.{SUFFIXES['b']}"] = nn.functional.pad(b, (0, missing)).contiguous()
        save_file({name: weights[name] for name in sorted(weights)},
                  directory / "adapter_model.safetensors", metadata={"format": "pt"})  # fmt: skip
        settings |= {"base_model_name_or_path": self.spec.base_name, "inference_mode": True}
        text = json.dumps(settings, indent=2, sort_keys=True, default=_jsonable)
        (directory / "adapter_config.json").write_text(text + "\n", encoding="utf-8")

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Where the adapted layers are in the base model, in order."""
        return tuple(self._held)

    def changes(self) -> Iterator[tuple[str, Tensor]]:
        """(layer, (out, in) float32) of every adapted layer, in order: what the adapter adds to the base's weight."""
        for name, layer in zip(self._held, self.layers, strict=True):
            yield name, self._change(name, layer)

    def _change(self, name: str, layer: LoraLayer) -> Tensor:
        a, b = layer.lora_A[ADAPTER].weight.detach(), self._held[name]["b"].detach()
        change: Tensor = layer.scaling[ADAPTER] * (b.float() @ a.float())
        return change + self._residuals[name].weight.float() if name in self._residuals else change

    def _plain_factors(self) -> dict[str, tuple[Tensor, Tensor]]:
        found = {}
        for (name, tensors), layer in zip(self._held.items(), self.layers, strict=True):
            a, b = layer.lora_A[ADAPTER].weight.detach().cpu(), tensors["b"].detach().cpu()
            if name in self._residuals:
                a, b = exact_factors(self._change(name, layer).cpu())
            found[name] = (a, b)
        return found

    def _ordered(self, factors: tuple[Factor, ...]) -> Iterator[Tensor]:
        for tensors in self._held.values():
            yield from (tensor for factor, tensor in tensors.items() if factor in factors)

    def _parameters_of(self, factors: tuple[Factor, ...]) -> list[nn.Parameter]:
        return [tensor for tensor in self._ordered(factors) if isinstance(tensor, nn.Parameter)]

    def _set(self, vector: NDArray[np.float32], size: int, factors: tuple[Factor, ...]) -> None:
        if vector.shape != (size,) or vector.dtype != np.float32:
            raise AdapterError(
                f"the adapter takes a float32 vector of {size} numbers, not {vector.dtype} of shape {vector.shape}"
            )
        if not np.isfinite(vector).all():
            raise AdapterError("an adapter's vector must be finite")
        offset = 0
        with torch.no_grad():
            for tensor in self._ordered(factors):
                part = vector[offset : offset + tensor.numel()]
                tensor.copy_(torch.tensor(part).reshape(tensor.shape))
                offset += tensor.numel()

    def _get(self, factors: tuple[Factor, ...]) -> NDArray[np.float32]:
        parts = [tensor.detach().float().cpu().numpy().ravel() for tensor in self._ordered(factors)]
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, dtype=np.float32)

    def _switch(self, *, on: bool) -> None:
        for layer in self.layers:
            layer.enable_adapters(on)
        for residual in self._residuals.values():
            residual.on = on
        if on:
            self._freeze()

    def _freeze(self) -> None:
        # PEFT marks both factors trainable whenever a layer is switched on.
        for parameter in self._of_layers:
            parameter.requires_grad_(False)
        for parameter in (*self.shared_parameters(), *self.personal_parameters()):
            parameter.requires_grad_(True)


def attach_adapter(language_model: LanguageModel, config: AdapterConfig) -> AdaptedModel:
    """Puts a fresh adapter into a model, in place: the model still says what it said.

    Raises:
        AdapterError: the model has an adapter already, none of the target modules, or one smaller than the rank.
    """
    model = language_model.model
    if any(isinstance(module, LoraLayer) for module in model.modules()):
        raise AdapterError("the model has an adapter already: load the base model again")
    fingerprint = language_model.fingerprint()
    targets = config.target_modules
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules=targets if isinstance(targets, str) else list(targets),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        base_model_name_or_path=language_model.name,
    )
    try:
        peft_model = PeftModel(model, settings, adapter_name=ADAPTER)
    except ValueError:
        raise AdapterError(
            f"the model {language_model.name!r} has no module that ends in one of: {', '.join(targets)}"
            if not isinstance(targets, str)
            else f"PEFT finds no linear layer to adapt in {language_model.name!r}"
        ) from None
    state: list[tuple[str, tuple[int, ...]]] = []
    for name, layer in _named_layers(peft_model):
        begin(name, layer, config)
        shapes: dict[Factor, tuple[int, ...]] = {
            factor: tuple(tensor.shape) for factor, tensor in _tensors(layer, None).items()
        }
        if "residual" in config.federation.sent_down:
            shapes["residual"] = (shapes["b"][0], shapes["a"][1])
        sent = config.federation.sent_down
        state += [(f"{name}.{SUFFIXES[factor]}", shape) for factor, shape in shapes.items() if factor in sent]
    spec = AdapterSpec(
        config=config, base_name=language_model.name, base_fingerprint=fingerprint, parameters=tuple(state)
    )
    return AdaptedModel(spec=spec, language_model=language_model, peft_model=peft_model)


def _named_layers(peft_model: PeftModel) -> list[tuple[str, LoraLayer]]:
    """Adapted layers in the model's order, named by their place in the base model."""
    named = peft_model.named_modules()
    return [(name.removeprefix(_PREFIX), layer) for name, layer in named if isinstance(layer, LoraLayer)]


def _add_residual(layer: LoraLayer) -> Residual:
    a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    return Residual(layer, shape=(b.shape[0], a.shape[1]), like=b)


def _tensors(layer: LoraLayer, residual: Residual | None) -> dict[Factor, Tensor]:
    """A layer's factors, in the order of the state."""
    a, b = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER].weight
    found: dict[Factor, Tensor] = (
        {"a": a.inner.weight, "core": a.core.weight, "b": b} if isinstance(a, CoredFactor) else {"a": a.weight, "b": b}
    )
    return found if residual is None else {**found, "residual": residual.weight}


def _cut(tensors: dict[Factor, Tensor], rank: int) -> None:
    tensors["a"][rank:] = 0
    tensors["b"][:, rank:] = 0
    if "core" in tensors:
        tensors["core"][rank:], tensors["core"][:, rank:] = 0, 0


def _jsonable(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
