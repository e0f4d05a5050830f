from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

import client.pass_size
import client.training
from client.packing import EncodedPair, PackedBatch, pack
from client.pass_size import tokens_per_pass
from client.training import TrainingConfig, train_locally
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.causal_lm import LanguageModel
from shared.privacy.noise import SeededTestNoise
from tests.federation import FewDevices
from tests.tiny import language_model


def test_a_larger_model_takes_fewer_tokens_a_pass() -> None:
    model = language_model("qwen2")
    before = tokens_per_pass(model)
    shape = model.model.config
    shape.num_hidden_layers, shape.vocab_size = 2 * shape.num_hidden_layers, 2 * shape.vocab_size

    assert tokens_per_pass(model) == pytest.approx(before / 2, rel=0.01)
    shape.vocab_size = 10**12
    assert tokens_per_pass(model) == 1


def test_smaller_passes_train_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = attach_adapter(language_model("llama"), AdapterConfig(rank=2))
    pairs = [pair for index in range(3) for pair in FewDevices(devices=3).pairs(index)]
    config = TrainingConfig(learning_rate=1.0, max_prompt_tokens=64, max_completion_tokens=32)

    def train() -> tuple[np.ndarray[tuple[int], np.dtype[np.float32]], float]:
        update = train_locally(adapted, adapted.beginning(), pairs, config, noise=SeededTestNoise(0), seed=0)
        return update.vector, update.loss

    sizes: list[int] = []

    def counted(model: LanguageModel, rows: Sequence[EncodedPair]) -> PackedBatch:
        sizes.append(len(rows))
        return pack(model, rows)

    monkeypatch.setattr(client.training, "pack", counted)
    whole, loss = train()
    assert sizes == [len(pairs)]
    monkeypatch.setitem(client.pass_size.PASS_BYTES, "cpu", 1.0)
    one_by_one, same = train()
    assert sizes[1:] == [1] * len(pairs)
    np.testing.assert_allclose(one_by_one, whole, atol=1e-5)
    assert same == pytest.approx(loss, rel=1e-5)
