"""The seam to language models: any Hugging Face causal LM, loaded by hub name or path."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from shared.causal_lm import LanguageModel, LanguageModelError
from shared.model_config import PACKAGED_MODEL, ModelConfig

__all__ = [
    "PACKAGED_MODEL",
    "LanguageModel",
    "LanguageModelError",
    "ModelConfig",
    "load_language_model",
    "packaged_directory",
    "weight_bytes",
]

_LOG = logging.getLogger(__name__)

# A Flower bundle holds code and no weights: whoever runs one says where they are.
_PACKAGED_DIRECTORY = Path(os.environ.get("TACIT_TINY_MODEL") or Path(__file__).parent / "tiny_model")


def packaged_directory() -> Path:
    """Where the packaged model lies.

    Raises:
        LanguageModelError: this installation does not hold it.
    """
    if not (_PACKAGED_DIRECTORY / "config.json").is_file():
        raise LanguageModelError(
            f"this installation does not hold the packaged model {PACKAGED_MODEL!r}: install Tacit again, or make "
            "the model with `tacit-sim pretrain`"
        )
    return _PACKAGED_DIRECTORY


def load_language_model(config: ModelConfig) -> LanguageModel:
    """Loads a base model and its tokenizer. No code that comes with a model is ever run.

    Raises:
        LanguageModelError: no such model, hub out of reach, wrong files, missing extra or device. It says what to do.
    """
    source, public_name = _locate(config.name)
    device = pick_device(config.device)
    quantization = _quantization(device) if config.load_in_4bit else None
    with _loading(config.name, source), without_progress_bars():
        shape = AutoConfig.from_pretrained(source, revision=config.revision, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, revision=config.revision, trust_remote_code=False)
        model, report = AutoModelForCausalLM.from_pretrained(
            source,
            revision=config.revision,
            dtype=config.dtype if config.dtype == "auto" else getattr(torch, config.dtype),
            attn_implementation=_attention(config, shape),
            quantization_config=quantization,
            output_loading_info=True,
            trust_remote_code=False,
            **({"device_map": {"": device}} if quantization is not None else {}),
        )
        if report["missing_keys"] or report["mismatched_keys"]:
            raise LanguageModelError(
                f"the weights of {config.name!r} are incomplete or of another architecture: "
                f"{len(report['missing_keys'])} are missing, {len(report['mismatched_keys'])} have another shape"
            )
    if quantization is None:
        model = model.to(device)
    return LanguageModel(name=public_name, model=model, tokenizer=tokenizer, chat_template=config.chat_template)


def weight_bytes(config: ModelConfig) -> int:
    """What a model's weights take in memory, by its shape: nothing of them is read.

    Raises:
        LanguageModelError: no such model, or it is out of reach.
    """
    source, _ = _locate(config.name)
    with _loading(config.name, source), without_progress_bars():
        shape = AutoConfig.from_pretrained(source, revision=config.revision, trust_remote_code=False)
        held = shape.dtype if config.dtype == "auto" else getattr(torch, config.dtype)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(shape, dtype=held, trust_remote_code=False)
    size: int = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return size // 4 if config.load_in_4bit else size


def _locate(name: str) -> tuple[str, str]:
    """Where to read a model from, and the name by which it is known."""
    if name == PACKAGED_MODEL:
        return str(packaged_directory()), PACKAGED_MODEL
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise LanguageModelError(
                f"the directory {name!r} holds no config.json: name the directory that a Hugging Face model is saved in"
            )
        return str(path), path.resolve().name
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or path.exists():
        raise LanguageModelError(f"there is no model directory {name!r}: check the path")
    return name, name


def pick_device(asked: str) -> str:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available[asked]:
        raise LanguageModelError(
            f"this machine has no {asked} device that PyTorch can use: choose device 'auto' or 'cpu'"
        )
    return asked


def _quantization(device: str) -> BitsAndBytesConfig:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise LanguageModelError("4-bit loading needs bitsandbytes: pip install 'tacit[quantized]'")
    if device != "cuda":
        raise LanguageModelError(f"4-bit loading needs a CUDA device, and the model would be on {device!r}")
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _attention(config: ModelConfig, shape: object) -> str:
    # Attention scores with a soft cap (Gemma 2) do not exist in PyTorch's fused kernel.
    if config.attention == "sdpa" and getattr(shape, "attn_logit_softcapping", None) is not None:
        _LOG.info("%s caps its attention scores: using eager attention instead of sdpa", config.name)
        return "eager"
    return config.attention


@contextmanager
def _loading(name: str, source: str) -> Iterator[None]:
    """Turns whatever goes wrong in three libraries into one error that says what to do."""
    try:
        yield
    except LanguageModelError:
        raise
    except Exception as error:
        kind = type(error).__name__
        if Path(source).is_dir():
            advice = (
                "check that the directory holds config.json, tokenizer files and safetensors weights of one causal "
                "language model that this version of transformers knows"
            )
        else:
            advice = (
                "check the spelling (owner/name), that the hub can be reached, and, for a gated model, that you are "
                "logged in (huggingface-cli login); or download the model and give its directory"
            )
        _LOG.debug("loading %s failed", name, exc_info=True)
        raise LanguageModelError(f"cannot load the language model {name!r} ({kind}): {advice}") from None


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Loading and saving a model draw nothing meanwhile."""
    was_on = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            transformers_logging.enable_progress_bar()
