"""Gradient matching finds what is there, and not what noise hides."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from client.training import TrainingConfig, train_locally
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan
from simulations.audits.inversion_matching import MatchingEffort, match_update, rouge
from simulations.audits.inversion_sights import seen, sights_of
from simulations.audits.inversion_victims import encoded, flat
from simulations.audits.persona_exposure_secrets import secret_pair, secret_space


def test_rouge_counts_words_and_their_order() -> None:
    assert rouge("the cat sat", "the cat sat") == (1.0, 1.0)
    assert rouge("sat cat the", "the cat sat") == pytest.approx((1.0, 1 / 3))
    assert rouge("", "the cat") == (0.0, 0.0)


def test_two_words_are_found_in_a_clear_update_and_not_under_noise() -> None:
    adapted = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(rank=4))
    model, config = adapted.language_model, TrainingConfig()
    space = secret_space(model.tokenizer, length=2)
    secret, other = space.draw(Random(4), 2)
    row, changed = (
        encoded(model, FederationPlan(), secret_pair("Likes lists.", one, in_persona=False)) for one in (secret, other)
    )
    truth, frame = np.array(flat(row)), np.array(flat(changed))
    known = truth == frame
    assert (~known).sum() == 2
    update = train_locally(
        adapted, adapted.beginning(), [secret_pair("Likes lists.", secret, in_persona=False)], config,
        noise=AesCtrNoise(bytes(32)), seed=0,
    ).vector  # fmt: skip
    allowed = frozenset(
        model.tokenizer.encode(f"are {word}", add_special_tokens=False)[-1]
        for word in {*space.words[:40], *secret.split()}
    )
    unit = update / np.linalg.norm(update)
    noised = unit + np.random.default_rng(0).standard_normal(unit.size)

    def right(vector: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, float]:
        found = match_update(
            adapted, vector, row, known.tolist(), np.ones(len(model.tokenizer)), config,
            effort=MatchingEffort(steps=5, sweeps=2, tried=42), allowed=allowed,
        )  # fmt: skip
        assert (found.tokens[known] == truth[known]).all()
        return int((found.tokens[~known] == truth[~known]).sum()), found.likeness

    words, likeness = right(unit)
    assert words == 2
    assert likeness > 0.99
    words, likeness = right(noised)
    assert words < 2
    assert likeness < 0.3


def test_sights_hold_the_noise_that_they_say() -> None:
    plan = FederationPlan(
        cohort_size=12, devices=24, sampling="schedule", secure_aggregation=SecureAggregationTerms(),
        user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=2.0),
    )  # fmt: skip
    sights = {sight.name: sight for sight in sights_of(plan, strangers=20)}
    assert list(sights) == ["raw", "clipped", "own share of the noise", "noise of the sum", "sum of 10", "released"]
    generator = np.random.default_rng(0)
    updates = [generator.standard_normal(4000).astype(np.float32) for _ in range(12)]
    clipped = np.sum([update / np.linalg.norm(update) for update in updates], axis=0)

    share, share_std = seen(sights["own share of the noise"], plan, updates[0], updates[1:], seed=1)
    one = updates[0] / np.linalg.norm(updates[0])
    assert np.std(share - one) == pytest.approx(share_std, rel=0.05)
    released, released_std = seen(sights["released"], plan, updates[0], updates[1:], seed=1)
    assert np.std(released - clipped) == pytest.approx(released_std, rel=0.05)
    # Whoever is in the sum adds a share, so that it holds at least what the plan promises.
    assert released_std == pytest.approx(share_std * np.sqrt(12))
    assert released_std > 2.0
    central, std = seen(sights["noise of the sum"], plan, updates[0], [], seed=1)
    assert std == 2.0
    assert np.std(central - one) == pytest.approx(2.0, rel=0.05)
    assert seen(sights["sum of 10"], plan, updates[0], updates[1:], seed=1)[1] == 0.0
