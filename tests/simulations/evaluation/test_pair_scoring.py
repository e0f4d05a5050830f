"""The bridge to local training: the same figures, in order; ties where tokens are equal; training alone helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client.pair_scores import score_pairs
from client.training import PairPrivacy, TrainingConfig
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.conversation import Message, PreferencePair
from shared.language_model import ModelConfig, load_language_model
from simulations.evaluation.pair_scoring import AdapterScorer
from tests.tiny import CHATML, STORIES, language_model, needs_stories, pair

TRAINING = TrainingConfig(max_prompt_tokens=64, max_completion_tokens=24, learning_rate=1.0)
STEPS = (1.0, 0.5)


@pytest.fixture
def adapted() -> AdaptedModel:
    return attach_adapter(language_model(), AdapterConfig(rank=2, alpha=4))


def scorer(adapted: AdaptedModel, training: TrainingConfig = TRAINING) -> AdapterScorer:
    return AdapterScorer(adapted, training, server_steps=STEPS, clipping_norm=1.0)


def test_figures_are_those_of_local_training_in_the_order_given(adapted: AdaptedModel) -> None:
    pairs = [pair(index) for index in (5, 0, 3, 1)]
    vector = np.random.default_rng(0).normal(scale=0.1, size=adapted.spec.dimension).astype(np.float32)
    reference = score_pairs(adapted, vector, pairs, TRAINING)
    judge = scorer(adapted)
    for _ in range(2):  # the second time from memory
        found = judge.score(vector, pairs)
        np.testing.assert_allclose(found.margin, reference.margins(), atol=1e-5)
        np.testing.assert_allclose(found.tuned_summed, reference.summed_differences(), atol=1e-4)
        np.testing.assert_allclose(found.base_summed, reference.summed_differences(of_reference=True), atol=1e-4)
        np.testing.assert_allclose(found.tuned_per_token, reference.mean_differences(), atol=1e-5)
        np.testing.assert_allclose(found.base_per_token, reference.mean_differences(of_reference=True), atol=1e-5)
    np.testing.assert_allclose(found.margin, 0.1 * (found.tuned_summed - found.base_summed), atol=1e-5)
    assert np.abs(found.margin).min() > 1e-4
    one = judge.score(vector, pairs[2:3])
    assert one.margin[0] == pytest.approx(found.margin[2], abs=1e-5)


def test_replies_that_the_limit_made_equal_are_ties(adapted: AdaptedModel) -> None:
    same = PreferencePair(
        prompt=(Message(role="user", content="How does bread rise?"),),
        chosen=(Message(role="assistant", content="gas " * 60 + "chosen"),),
        rejected=(Message(role="assistant", content="gas " * 60 + "rejected"),),
    )
    vector = np.random.default_rng(0).normal(scale=0.1, size=adapted.spec.dimension).astype(np.float32)
    found = scorer(adapted).score(vector, [same, pair(0)])
    assert (found.indistinguishable, found.completions_cut) == (1, 1 + (pair_is_cut(adapted)))
    figures = (found.margin, found.tuned_summed, found.tuned_per_token, found.base_summed, found.base_per_token)
    assert all(values[0] == 0 and values[1] != 0 for values in figures)


def pair_is_cut(adapted: AdaptedModel) -> int:
    return scorer(adapted).score(np.zeros(adapted.spec.dimension, dtype=np.float32), [pair(0)]).completions_cut


def test_training_alone_prefers_what_it_was_shown(adapted: AdaptedModel) -> None:
    judge = scorer(adapted)
    shown = [pair(index) for index in range(3)]
    vector = judge.train_alone(shown, seed=4)
    assert np.linalg.norm(vector) <= sum(STEPS) + 1e-5
    assert judge.score(vector, shown).margin.mean() > 0.01
    np.testing.assert_array_equal(vector, scorer(adapted).train_alone(shown, seed=4))


def test_training_alone_is_never_noised(adapted: AdaptedModel) -> None:
    private = replace(TRAINING, pair_privacy=PairPrivacy(noise_multiplier=50.0, sample_rate=0.5, max_grad_norm=1.0))
    shown = [pair(0), pair(1)]
    np.testing.assert_array_equal(
        scorer(adapted, private).train_alone(shown, seed=1), scorer(adapted).train_alone(shown, seed=1)
    )


@needs_stories
def test_real_weights_learn_one_users_pairs() -> None:
    model = load_language_model(ModelConfig(name=str(STORIES), chat_template=CHATML))
    judge = scorer(attach_adapter(model, AdapterConfig()), replace(TRAINING, learning_rate=10.0))
    shown = [pair(index) for index in range(4)]
    before = judge.score(np.zeros(12_000, dtype=np.float32), shown)
    after = judge.score(judge.train_alone(shown, seed=0), shown)
    np.testing.assert_allclose(before.margin, 0, atol=1e-4)
    assert after.margin.mean() > 0.05
