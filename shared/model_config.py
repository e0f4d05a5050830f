"""Which base model, as a plan names it: a module of its own, so that who only reads plans loads no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PACKAGED_MODEL = "tacit-tiny"


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which base model, and how it is held.

    Attributes:
        name: "tacit-tiny" (packaged), a directory, or a name on the Hugging Face hub.
        revision: a hub revision; pin it where results must be repeatable.
        dtype: of the base weights. Log-probabilities and adapters are float32 whatever it is.
        device: "auto" takes CUDA, then MPS, then the CPU.
        load_in_4bit: NF4 weights; needs CUDA and the extra `tacit[quantized]`.
        attention: a model that lacks "sdpa" (Gemma 2) is run with "eager".
        chat_template: a Jinja template instead of the tokenizer's own.
    """

    name: str = PACKAGED_MODEL
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    load_in_4bit: bool = False
    attention: Literal["sdpa", "eager"] = "sdpa"
    chat_template: str | None = None
