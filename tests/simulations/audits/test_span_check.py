"""The span check on spans made up, and on what a device really sends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from client.training import TrainingConfig, train_locally
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan
from simulations.audits.inversion_victims import area_under_curve, encoded, tokens_of, true_positives_at
from simulations.audits.span_check import SpanBlock, frozen_factors, span_blocks, span_scores, token_inputs
from simulations.population.embedded.population import EmbeddedPopulation

_TOKENS = 400


def _block(there: int, dimensions: int, *, noise: float = 0.0) -> SpanBlock:
    generator = np.random.default_rng(there + dimensions)
    candidates = generator.standard_normal((_TOKENS, dimensions))
    gradients = generator.standard_normal((64, there))
    rows = gradients @ candidates[:there]
    return SpanBlock(rows=rows + noise * generator.standard_normal(rows.shape), candidates=candidates)


@pytest.mark.parametrize("there", [1, 6, 20])
def test_few_tokens_are_proven_and_no_other(there: int) -> None:
    found = span_scores([_block(there, 32)])

    assert found.recovered == frozenset(range(there))
    assert (found.dimensions, found.room) == (there, 32)
    assert set(np.argsort(-found.scores)[:there]) == set(range(there))


def test_a_full_span_proves_nothing() -> None:
    found = span_scores([_block(40, 8)])

    assert found.recovered is None
    assert (found.dimensions, found.room) == (8, 8)


def test_noise_longer_than_the_rows_hides_them() -> None:
    found = span_scores([_block(6, 32, noise=50.0)], noise_std=50.0)

    assert found.recovered is None
    assert found.dimensions == 0
    there = np.arange(_TOKENS) < 6
    assert abs(area_under_curve(found.scores, there) - 0.5) < 0.35


def test_weak_noise_leaves_the_ranking() -> None:
    found = span_scores([_block(6, 32, noise=0.05)], noise_std=0.05)

    assert found.recovered is None  # no proof under noise
    assert area_under_curve(found.scores, np.arange(_TOKENS) < 6) > 0.99


def test_ranks_are_scored_with_ties() -> None:
    there = np.array([True, True, False, False])
    assert area_under_curve(np.array([3.0, 2.0, 1.0, 0.0]), there) == 1.0
    assert area_under_curve(np.zeros(4), there) == 0.5
    assert true_positives_at(np.array([3.0, 0.0, 1.0, 1.0]), there) == 0.5


def _adapted(config: AdapterConfig) -> AdaptedModel:
    return attach_adapter(load_language_model(ModelConfig(device="cpu")), config)


def _scores(
    config: AdapterConfig, *, others: int = 0
) -> tuple[frozenset[int] | None, frozenset[int], NDArray[np.float64]]:
    """What is found of one pair of the embedded world, alone or in a sum."""
    adapted = _adapted(config)
    world = EmbeddedPopulation(seed=3, users=others + 1, pairs_per_user=2)
    state = adapted.beginning()
    total = np.zeros(adapted.spec.update_dimension(1))
    for user in range(others + 1):
        update = train_locally(
            adapted, state, world.pairs(user)[:1], TrainingConfig(), noise=AesCtrNoise(bytes(32)), seed=0
        ).vector
        total += update
    blocks = span_blocks(
        adapted.spec, state, total, round_number=1, inputs=token_inputs(adapted), frozen=frozen_factors(adapted)
    )
    truth = tokens_of([encoded(adapted.language_model, FederationPlan(), world.pairs(0)[0])])
    found = span_scores(blocks)
    return found.recovered, truth, found.scores


def test_a_wide_adapter_gives_its_tokens_away_and_a_narrow_one_does_not() -> None:
    """The control of the audit: without it, a failed attack would show nothing."""
    proven, truth, scores = _scores(AdapterConfig(method="ffa-lora", rank=128))
    assert proven is not None
    assert len(proven & truth) > 0.5 * len(truth)
    assert len(proven - truth) <= 1
    there = np.isin(np.arange(len(scores)), list(truth))
    assert area_under_curve(scores, there) > 0.9

    proven, truth, _ = _scores(AdapterConfig(method="ffa-lora", rank=4))
    assert proven is None


@pytest.mark.slow
def test_a_sum_of_many_devices_proves_nothing_of_one() -> None:
    proven, _, _ = _scores(AdapterConfig(method="ffa-lora", rank=128), others=20)
    assert proven is None


def test_only_layers_that_read_tokens_alone_are_taken() -> None:
    adapted = _adapted(AdapterConfig(rank=2))
    assert {name.rpartition(".")[2] for name in token_inputs(adapted)} == {"q_proj", "k_proj", "v_proj"}
