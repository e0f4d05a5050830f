"""Where rows are not pairs, pair-level privacy is refused before any pair is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, OPTConfig, PreTrainedConfig, Qwen2MoeConfig

from client.gradient_check import check_pair_gradients
from client.packing import UnsupportedArchitectureError
from client.training import PairPrivacy, TrainingConfig, train_locally
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import LanguageModel
from shared.privacy.noise import SeededTestNoise
from tests.tiny import CONFIGS, language_model, pair, tokenizer

PRIVATE = TrainingConfig(
    learning_rate=1.0, pair_privacy=PairPrivacy(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=1.0)
)


def _adapted(shape: PreTrainedConfig, *modules: str) -> AdaptedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(shape)
    wrapped = LanguageModel(name="tiny", model=model, tokenizer=tokenizer())
    return attach_adapter(wrapped, AdapterConfig(rank=2, target_modules=modules or "all-linear"))


def _qwen2_moe() -> PreTrainedConfig:
    return Qwen2MoeConfig(
        vocab_size=320, hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=2,
        shared_expert_intermediate_size=16, num_attention_heads=4, num_key_value_heads=2, num_experts=4,
        num_experts_per_tok=2, max_position_embeddings=256, eos_token_id=0,
    )  # fmt: skip


def _opt() -> PreTrainedConfig:
    return OPTConfig(
        vocab_size=320, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32,
        max_position_embeddings=256, eos_token_id=0, bos_token_id=0, pad_token_id=0,
    )  # fmt: skip


@pytest.mark.parametrize("architecture", sorted(CONFIGS))
def test_the_architectures_that_are_tested_pass(architecture: str) -> None:
    attention = "eager" if architecture == "gemma2" else "sdpa"
    adapted = attach_adapter(language_model(architecture, attention=attention), AdapterConfig(rank=2))
    start = adapted.read()

    check_pair_gradients(adapted)

    np.testing.assert_array_equal(adapted.read(), start)
    assert all(parameter.grad is None for parameter in adapted.shared_parameters())
    assert not any(hasattr(parameter, "grad_sample") for parameter in adapted.shared_parameters())


@pytest.mark.parametrize(
    ("shape", "modules"),
    [
        (_opt(), ("fc1", "fc2")),
        (_qwen2_moe(), ("gate_proj", "up_proj", "down_proj")),
        (_qwen2_moe(), ()),
        (CONFIGS["llama"], ("lm_head",)),
        (CONFIGS["llama"], ("q_proj", "lm_head")),
    ],
    ids=["opt feed-forward", "shared expert", "mixture of experts", "lm head", "lm head among others"],
)
@pytest.mark.parametrize("pairs", [0, 1, 3])
def test_rows_that_are_not_pairs_are_refused_whatever_the_data(
    shape: PreTrainedConfig, modules: tuple[str, ...], pairs: int
) -> None:
    adapted = _adapted(shape, *modules)
    start = np.zeros(adapted.spec.dimension, dtype=np.float32)

    with pytest.raises(UnsupportedArchitectureError, match="pair-level privacy"):
        train_locally(
            adapted, start, [pair(index) for index in range(pairs)], PRIVATE, noise=SeededTestNoise(0), seed=0
        )
