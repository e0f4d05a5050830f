"""The adapter: the few parameters that are trained on devices, shared, averaged and released.

FFA-LoRA (Sun et al., 2024, arXiv:2403.12313): every adapted weight is `W + (alpha / r) B A` with `A` frozen at an
initialisation that all parties derive from one seed, and `B` trained from zero. Only `B` is shared. The update is then
linear in what is shared, so the mean of the devices' `B` is the mean of their models, and noise is never multiplied.

A further method is one more entry in `_METHODS`: which LoRA parameters are shared, and how those that are not begin.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from shared.language_model import LanguageModel

Method = Literal["ffa-lora"]

_ADAPTER = "default"
# Which of a LoRA layer's two factors travels.
_METHODS: dict[str, str] = {"ffa-lora": "lora_B"}
_UNIFORMS_PER_NORMAL = 12
_CHUNK = 1 << 16


class AdapterError(ValueError):
    """An adapter does not fit the model, or a vector does not fit the adapter."""


@dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """Attributes:
    method: how the adapter is federated.
    rank: r. Under privacy the number of shared parameters is the enemy: r is the first knob.
    alpha: the adapted weight is `W + (alpha / rank) B A`.
    target_modules: module names by suffix, or every linear layer but the LM head.
    seed: of the frozen factor; part of the plan, so that all parties hold the same.
    """

    method: Method = "ffa-lora"
    rank: int = 4
    alpha: float = 8.0
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in _METHODS:
            raise AdapterError(f"unknown adapter method {self.method!r}: known are {', '.join(_METHODS)}")
        if self.rank < 1 or not self.alpha > 0:
            raise AdapterError("an adapter's rank must be at least 1 and its alpha above 0")
        if not self.target_modules:
            raise AdapterError("an adapter needs at least one target module, or 'all-linear'")


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """What two parties must agree on before a vector means anything to both.

    Attributes:
        config: the adapter's.
        base_name, base_fingerprint: the base model's.
        parameters: ordered `(name, shape)` of what is shared; a vector is their concatenation in this order, row-major.
    """

    config: AdapterConfig
    base_name: str
    base_fingerprint: str
    parameters: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def dimension(self) -> int:
        """d, how many numbers are shared."""
        return sum(math.prod(shape) for _, shape in self.parameters)

    def digest(self) -> str:
        """SHA-256 (hex) over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class AdaptedModel:
    """A language model with an adapter in it. `language_model` generates and scores WITH the adapter.

    Attributes:
        spec: what is shared.
        language_model: the model it was attached to, which is changed in place.
        layers: the adapted layers, in order.
    """

    def __init__(self, *, spec: AdapterSpec, language_model: LanguageModel, peft_model: PeftModel) -> None:
        """Use `attach_adapter`."""
        self.spec = spec
        self.language_model = language_model
        self._peft_model = peft_model
        self.layers: tuple[LoraLayer, ...] = tuple(m for m in peft_model.modules() if isinstance(m, LoraLayer))
        named = dict(_lora_parameters(peft_model))
        self._shared: list[nn.Parameter] = [named[name] for name, _ in spec.parameters]
        self._freeze()

    def shared_parameters(self) -> list[nn.Parameter]:
        """The shared parameters, in spec order: float32, the only ones that take a gradient."""
        return list(self._shared)

    def shared_modules(self) -> nn.ModuleList:
        """The submodules that hold the shared parameters, in spec order (where per-pair gradients are collected)."""
        factor = _METHODS[self.spec.config.method]
        return nn.ModuleList([getattr(layer, factor)[_ADAPTER] for layer in self.layers])

    def load(self, vector: NDArray[np.float32]) -> None:
        """Sets the shared parameters from a flat float32 vector (d,).

        Raises:
            AdapterError: wrong shape, dtype, or a value that is not finite.
        """
        if vector.shape != (self.spec.dimension,) or vector.dtype != np.float32:
            raise AdapterError(
                f"the adapter takes a float32 vector of {self.spec.dimension} numbers, "
                f"not {vector.dtype} of shape {vector.shape}"
            )
        if not np.isfinite(vector).all():
            raise AdapterError("an adapter's vector must be finite")
        offset = 0
        with torch.no_grad():
            for parameter in self._shared:
                part = vector[offset : offset + parameter.numel()]
                parameter.copy_(torch.tensor(part).reshape(parameter.shape))
                offset += parameter.numel()

    def read(self) -> NDArray[np.float32]:
        """The shared parameters as a flat float32 vector (d,), a copy."""
        parts = [parameter.detach().float().cpu().numpy().ravel() for parameter in self._shared]
        return np.concatenate(parts).astype(np.float32)

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

        Both factors are in the file. The base model is named as it is known, never by a path on this machine. The same
        adapter gives the same bytes.
        """
        directory.mkdir(parents=True, exist_ok=True)
        weights = get_peft_model_state_dict(self._peft_model, save_embedding_layers=False)
        save_file({name: weights[name].detach().cpu().contiguous() for name in sorted(weights)},
                  directory / "adapter_model.safetensors", metadata={"format": "pt"})  # fmt: skip
        settings = self._peft_model.peft_config[_ADAPTER].to_dict()
        settings |= {"base_model_name_or_path": self.spec.base_name, "inference_mode": True}
        text = json.dumps(settings, indent=2, sort_keys=True, default=_jsonable)
        (directory / "adapter_config.json").write_text(text + "\n", encoding="utf-8")

    def _switch(self, *, on: bool) -> None:
        for layer in self.layers:
            layer.enable_adapters(on)
        if on:
            self._freeze()

    def _freeze(self) -> None:
        # PEFT marks both factors trainable whenever a layer is switched on.
        for layer in self.layers:
            layer.requires_grad_(False)
        for parameter in self._shared:
            parameter.requires_grad_(True)


def attach_adapter(language_model: LanguageModel, config: AdapterConfig) -> AdaptedModel:
    """Puts a fresh adapter into a model, in place: `B` is zero, so the model still says what it said.

    Raises:
        AdapterError: the model has an adapter already, or none of the target modules.
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
        peft_model = PeftModel(model, settings, adapter_name=_ADAPTER)
    except ValueError:
        raise AdapterError(
            f"the model {language_model.name!r} has no module that ends in one of: {', '.join(targets)}"
            if not isinstance(targets, str)
            else f"PEFT finds no linear layer to adapt in {language_model.name!r}"
        ) from None
    factor = _METHODS[config.method]
    shared: list[tuple[str, tuple[int, ...]]] = []
    with torch.no_grad():
        for name, parameter in _lora_parameters(peft_model):
            if f".{factor}." in name:
                parameter.zero_()
                shared.append((name, tuple(parameter.shape)))
            else:
                parameter.copy_(torch.from_numpy(_frozen_factor(name, tuple(parameter.shape), config.seed)))
    spec = AdapterSpec(
        config=config, base_name=language_model.name, base_fingerprint=fingerprint, parameters=tuple(shared)
    )
    return AdaptedModel(spec=spec, language_model=language_model, peft_model=peft_model)


def _lora_parameters(peft_model: PeftModel) -> Iterator[tuple[str, nn.Parameter]]:
    """LoRA parameters in the model's order, named by their place in the base model."""
    for name, parameter in peft_model.named_parameters():
        if ".lora_A." in name or ".lora_B." in name:
            yield name.removeprefix("base_model.model.").replace(f".{_ADAPTER}.", "."), parameter


def _frozen_factor(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """`A` (rank, in_features) ~ N(0, 1/in_features), the same bits on every machine.

    The stream is Philox, keyed by SHA-256 of seed and parameter name, so it depends neither on the order of layers nor
    on anybody's global generator. A normal is the sum of twelve uniforms: its steps are exact in float64 or correctly
    rounded by IEEE 754, where a logarithm or cosine would differ by the machine's maths library.
    """
    key = hashlib.sha256(f"tacit/adapter/{seed}/{name}".encode()).digest()
    stream = np.random.Philox(key=np.frombuffer(key[:16], dtype="<u8"))
    count = math.prod(shape)
    out = np.empty(count, dtype=np.float64)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        words = np.asarray(stream.random_raw(size * _UNIFORMS_PER_NORMAL), dtype=np.uint64) >> np.uint64(32)
        total = words.reshape(size, _UNIFORMS_PER_NORMAL).sum(axis=1)
        out[start : start + size] = total.astype(np.float64) / 2**32 - _UNIFORMS_PER_NORMAL / 2
    return (out / math.sqrt(shape[-1])).astype(np.float32).reshape(shape)


def _jsonable(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
