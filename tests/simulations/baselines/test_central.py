"""TRL's trainers on the packed pipeline's own tokens: they learn what they are given, and the base stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from client.packing import encode_pair
from client.training import TrainingConfig
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.conversation import PreferencePair
from simulations.baselines.central import CentralTraining, Objective, train_centrally
from tests.federation import FewDevices
from tests.tiny import language_model

_LIMITS = TrainingConfig(max_prompt_tokens=64, max_completion_tokens=32)


def _adapted() -> AdaptedModel:
    return attach_adapter(language_model("llama"), AdapterConfig(rank=4, method="fedit"))


def _pairs() -> list[PreferencePair]:
    population = FewDevices(devices=4)
    return [pair for index in range(4) for pair in population.pairs(index)]


def _margin(adapted: AdaptedModel, pair: PreferencePair) -> float:
    """Log-probability of the chosen reply over the rejected one, as token by token."""
    encoded = encode_pair(adapted.language_model, pair, max_prompt_tokens=64, max_completion_tokens=32)
    total = 0.0
    for sign, reply in ((1, encoded.chosen), (-1, encoded.rejected)):
        ids = torch.tensor([[*encoded.prompt, *reply.ids]])
        with torch.no_grad():
            logits = adapted.language_model.model(input_ids=ids).logits[0].log_softmax(-1)
        start = len(encoded.prompt)
        total += sign * float(sum(logits[start + k - 1, token] for k, token in enumerate(reply.ids)))
    return total


@pytest.mark.parametrize("objective", ["dpo", "sft"])
def test_trl_learns_the_pairs_and_gives_the_adapter(objective: Objective) -> None:
    adapted, pairs, steps = _adapted(), _pairs(), []
    before = [_margin(adapted, pair) for pair in pairs]
    how = CentralTraining(objective=objective, learning_rate=3e-2, epochs=4, batch_size=4)

    vector = train_centrally(adapted, pairs, how, limits=_LIMITS, progress=lambda *step: steps.append(step))

    after = [_margin(adapted, pair) for pair in pairs]
    assert vector.shape == (adapted.spec.dimension,)
    assert np.isfinite(vector).all()
    assert sum(after) > sum(before)
    assert steps[-1] == (8, 8)
    with adapted.disabled():
        np.testing.assert_allclose([_margin(adapted, pair) for pair in pairs], before, atol=1e-4)


def test_training_begins_at_the_beginning_each_time() -> None:
    adapted, pairs = _adapted(), _pairs()
    how = CentralTraining(learning_rate=1e-2, batch_size=4)

    first = train_centrally(adapted, pairs, how, limits=_LIMITS)
    again = train_centrally(adapted, pairs, how, limits=_LIMITS)
    other = train_centrally(adapted, pairs, replace(how, learning_rate=2e-2), limits=_LIMITS)

    np.testing.assert_allclose(again, first, atol=1e-6)
    assert np.abs(other - first).max() > 1e-4
