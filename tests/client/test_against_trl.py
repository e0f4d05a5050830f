"""The loss and its gradient against TRL's own trainer, on the same pairs, weights and adapter."""

import numpy as np
import pytest
import torch

from client.prepared_pairs import CostMeter, prepare_pairs
from client.training import TrainingConfig, take_plain_step
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from tests.tiny import language_model, pair, tokenizer

pytest.importorskip("trl", reason="TRL comes with the extra tacit[bench]")

PAIRS = [pair(index) for index in range(5)]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("cached", [False, True], ids=["own-reference", "cached-reference"])
def test_loss_and_gradient_equal_dpo_trainers(architecture: str, cached: bool) -> None:
    from simulations.benchmarks.trl_peer import build_peer

    adapter = AdapterConfig(rank=2)
    adapted = attach_adapter(language_model(architecture), adapter)
    adapted.load(np.random.default_rng(0).normal(0, 0.05, adapted.spec.dimension).astype(np.float32))
    config = TrainingConfig(beta=0.2, nll_weight=0.0)
    prepared = prepare_pairs(adapted, PAIRS, config.limits(), meter=CostMeter())
    ours = take_plain_step(adapted, prepared, config, CostMeter())

    peer_base = language_model(architecture).model
    trainer, rows = build_peer(
        peer_base,
        tokenizer(),
        [one.encoded for one in prepared],
        adapter,
        beta=0.2,
        learning_rate=1e-3,
        cached=cached,
    )
    mine = dict(adapted.language_model.model.named_parameters())
    theirs = {
        name.removeprefix("base_model.model."): weight
        for name, weight in trainer.model.named_parameters()
        if ".lora_" in name
    }
    assert set(theirs) == {name for name in mine if ".lora_" in name}
    with torch.no_grad():
        for name, weight in theirs.items():
            weight.copy_(mine[name])
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
    loss.backward()

    assert loss.item() == pytest.approx(float(ours.total.mean()), rel=1e-4)
    assert loss.item() != pytest.approx(np.log(2), rel=1e-3)  # the adapter really differs from the reference
    for name, weight in theirs.items():
        if "lora_B" in name:
            own, peer = mine[name].grad, weight.grad
            assert own is not None
            assert peer is not None
            assert float((own - peer).norm()) <= 1e-4 * float(peer.norm()), name
