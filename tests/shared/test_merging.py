from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_methods import METHODS, Method
from shared.adapter_spec import AdapterConfig, AdapterError
from shared.causal_lm import LanguageModel
from shared.merging import merge, save_whole
from tests.tiny import CHATML, language_model

_IDS = torch.tensor([[5, 9, 30, 31, 7, 100, 200, 4]])


def _logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(_IDS).logits
    return found


def _pair(method: Method, architecture: str = "llama") -> tuple[LanguageModel, AdaptedModel]:
    """A plain twin, and the model with an adapter of random numbers."""
    base = language_model(architecture)
    plain = base.twin()
    adapted = attach_adapter(base, AdapterConfig(method=method, rank=2))
    state = 0.2 * np.random.default_rng(0).standard_normal(adapted.spec.state_dimension)
    adapted.load(state.astype(np.float32))
    return plain, adapted


@pytest.mark.parametrize("method", METHODS)
def test_a_merged_model_says_what_the_adapted_one_says(method: Method, tmp_path: Path) -> None:
    plain, adapted = _pair(method)
    base, expected = _logits(plain.model), _logits(adapted.language_model.model)

    merge(plain, adapted)
    save_whole(plain, tmp_path, chat_template=None)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)

    assert float((_logits(loaded) - expected).abs().max()) < 1e-4
    if "b" in METHODS[method].personal:  # what is released is the base model, until a device has a B of its own
        torch.testing.assert_close(expected, base)
    else:
        assert float((expected - base).abs().max()) > 0.1


@pytest.mark.parametrize("architecture", ["qwen2", "gemma3", "gpt2"])
def test_every_architecture_merges(architecture: str) -> None:
    plain, adapted = _pair("ffa-lora", architecture)
    before, expected = _logits(plain.model), _logits(adapted.language_model.model)

    merge(plain, adapted)

    assert float((_logits(plain.model) - expected).abs().max()) < 1e-4
    assert float((expected - before).abs().max()) > 0.01


def test_the_tokenizer_comes_along_with_the_template_that_was_used(tmp_path: Path) -> None:
    plain, adapted = _pair("ffa-lora")
    merge(plain, adapted)
    save_whole(plain, tmp_path / "own", chat_template=None)
    save_whole(plain, tmp_path / "given", chat_template="{{ messages[0]['content'] }}")

    own, given = (AutoTokenizer.from_pretrained(tmp_path / name) for name in ("own", "given"))
    assert own.chat_template == CHATML
    assert given.chat_template == "{{ messages[0]['content'] }}"
    assert plain.tokenizer.chat_template == CHATML
    assert own("bread")["input_ids"] == plain.tokenizer("bread")["input_ids"]


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings:UserWarning")
def test_a_tied_weight_is_not_merged() -> None:
    base = language_model("gemma")  # its head is its embedding
    plain = base.twin()
    adapted = attach_adapter(base, AdapterConfig(rank=2, target_modules=("lm_head",)))
    before = _logits(plain.model)

    with pytest.raises(AdapterError, match="tied"):
        merge(plain, adapted)
    torch.testing.assert_close(_logits(plain.model), before)


def test_a_quantized_weight_is_not_merged() -> None:
    plain, adapted = _pair("ffa-lora")
    last = plain.model.get_submodule(adapted.layer_names[-1])
    last.weight = torch.nn.Parameter(torch.zeros(4, dtype=torch.uint8), requires_grad=False)

    with pytest.raises(AdapterError, match="quantized"):
        merge(plain, adapted)
