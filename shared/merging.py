"""A base model with an adapter folded into its weights: what any program runs that knows nothing of adapters."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from shared.adapter import AdaptedModel
from shared.adapter_spec import AdapterError
from shared.language_model import LanguageModel, without_progress_bars


def merge(plain: LanguageModel, adapted: AdaptedModel) -> None:
    """Adds what an adapter changes to a model's weights, in place, computed in float32 and kept in the weights' type.

    Every method ends in such a sum: `(alpha / r) B A`, `(alpha / r) B R A` or a dense residual beside them.

    Args:
        plain: the twin (`LanguageModel.twin`) of the base, taken before the adapter was attached. The two hold the same
            weights, so that `adapted` must not be used any more.

    Raises:
        AdapterError: the weights are quantized, or one is tied to another place of the model. Nothing was changed.
    """
    modules = dict(plain.model.named_modules())
    uses = Counter(id(weight) for _, weight in plain.model.named_parameters(remove_duplicate=False))
    weights: dict[str, Tensor] = {}
    for name in adapted.layer_names:
        weight = modules[name].weight
        if not isinstance(weight, nn.Parameter) or not weight.is_floating_point():
            raise AdapterError("a quantized model takes no merge: plan with model.load-in-4bit off, or use the adapter")
        if uses[id(weight)] > 1:
            raise AdapterError(f"{name} is tied to another part of the model, which a merge would change, too")
        weights[name] = weight
    with torch.no_grad():
        for name, change in adapted.changes():
            weight = weights[name]
            turned = change.T if isinstance(modules[name], Conv1D) else change
            weight.copy_((weight.float() + turned).to(weight.dtype))


def save_whole(model: LanguageModel, directory: Path, *, chat_template: str | None) -> None:
    """Writes weights, configuration, tokenizer and chat template, as `from_pretrained` and converters read them.

    Args:
        chat_template: instead of the tokenizer's own.

    Raises:
        OSError: it cannot be written.
    """
    with without_progress_bars():
        model.model.save_pretrained(directory)
    kept = model.tokenizer.chat_template
    try:
        if chat_template is not None:
            model.tokenizer.chat_template = chat_template
        model.tokenizer.save_pretrained(directory)
    finally:
        model.tokenizer.chat_template = kept
