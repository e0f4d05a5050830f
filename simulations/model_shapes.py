"""Sizes of models' linear layers, so that what an adapter method shares can be counted without the model.

From the models' published configurations; all linear layers but the LM head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.adapter_methods import METHODS, Factor, Method
from shared.flat_config import ConfigError


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Attributes:
    layers: transformer blocks.
    modules: (inputs, outputs) of each linear layer of a block, by name.
    """

    layers: int
    modules: Mapping[str, tuple[int, int]]


def _llama(*, layers: int, width: int, key_values: int, inner: int) -> ModelShape:
    modules = {
        "q_proj": (width, width),
        "k_proj": (width, key_values),
        "v_proj": (width, key_values),
        "o_proj": (width, width),
        "gate_proj": (width, inner),
        "up_proj": (width, inner),
        "down_proj": (inner, width),
    }
    return ModelShape(layers=layers, modules=modules)


SHAPES: Mapping[str, ModelShape] = {
    "tacit-tiny": _llama(layers=5, width=128, key_values=128, inner=352),
    "qwen2.5-0.5b": _llama(layers=24, width=896, key_values=128, inner=4864),
    "qwen2.5-7b": _llama(layers=28, width=3584, key_values=512, inner=18944),
}


@dataclass(frozen=True, kw_only=True)
class SharedNumbers:
    """Numbers a round, of one device.

    Attributes:
        up: in its update, in the largest of the method's turns: d, which the noise grows with.
        down: in the state that it is sent.
    """

    up: int
    down: int


def shared_numbers(
    shape: str, *, rank: int, method: Method = "ffa-lora", modules: Sequence[str] | None = None
) -> SharedNumbers:
    """What a method shares.

    Args:
        modules: adapted ones by name; None is all.

    Raises:
        ConfigError: the shape, the method or a module is not known.
    """
    if shape not in SHAPES:
        raise ConfigError(f"there is no shape {shape!r}: there are {', '.join(SHAPES)}; or give --parameters")
    if method not in METHODS:
        raise ConfigError(f"there is no method {method!r}: there are {', '.join(METHODS)}")
    found = SHAPES[shape]
    unknown = [name for name in modules or () if name not in found.modules]
    if unknown:
        raise ConfigError(f"{shape} has no module {unknown[0]!r}: it has {', '.join(found.modules)}")
    facts = METHODS[method]
    adapted = [size for name, size in found.modules.items() if modules is None or name in modules]

    def count(factors: Sequence[Factor]) -> int:
        return found.layers * sum(_numbers(factor, size, rank) for factor in factors for size in adapted)

    return SharedNumbers(up=max(count(turn) for turn in facts.trained), down=count(facts.sent_down))


def _numbers(factor: Factor, size: tuple[int, int], rank: int) -> int:
    inputs, outputs = size
    return {"a": rank * inputs, "b": rank * outputs, "core": rank * rank, "residual": inputs * outputs}[factor]
