"""Exposure rises for secrets that were learned, and for no other."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from client.prompts import with_persona
from client.training import TrainingConfig, train_locally
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan
from simulations.audits.answer_scores import answer_log_probabilities
from simulations.audits.persona_exposure import Condition, planted
from simulations.audits.persona_exposure_ranks import Exposure, Suspect
from simulations.audits.persona_exposure_runs import Plant, PlantedPopulation, release_of, shadow_plan
from simulations.audits.persona_exposure_secrets import (
    answer,
    question,
    secret_pair,
    secret_space,
    spoken_in,
    with_fact,
)
from simulations.population.embedded.population import EmbeddedPopulation

_LURES = 31


def _adapted() -> AdaptedModel:
    return attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(rank=4))


def test_secrets_are_words_of_one_token_and_all_different() -> None:
    tokenizer = _adapted().language_model.tokenizer
    space = secret_space(tokenizer, length=3)
    assert space.bits > 20
    drawn = space.draw(Random(1), 200)
    assert len(set(drawn)) == 200
    lengths = {len(tokenizer.encode(f"Your secret words are {one}.", add_special_tokens=False)) for one in drawn}
    assert len(lengths) == 1
    assert drawn[0] not in repr(space)


def test_answers_to_one_prompt_score_as_each_alone() -> None:
    adapted = _adapted()
    adapted.load(np.random.default_rng(0).normal(0, 0.1, adapted.spec.state_dimension).astype(np.float32))
    model = adapted.language_model
    prompt = with_persona(question(), "Likes lists.")
    # Of unlike lengths, too.
    answers = [answer("growing basil reply"), answer("growing"), answer("reply basil growing basil")]
    alone = model.log_probabilities([prompt] * len(answers), answers, batch_size=1)
    assert np.allclose(answer_log_probabilities(model, prompt, answers).numpy(), alone.numpy(), rtol=1e-4, atol=1e-3)


def test_a_secret_counts_as_said_only_word_by_word() -> None:
    assert spoken_in("Your words: Growing, basil reply!", "growing basil reply")
    assert not spoken_in("basil growing reply", "growing basil reply")
    assert not spoken_in("growing basil", "growing basil reply")


def test_plants_are_where_they_should_be() -> None:
    world = EmbeddedPopulation(seed=0, users=4, pairs_per_user=2)
    told = {0: Plant(secret="one two", place="reply"), 1: Plant(secret="three four", place="persona")}  # noqa: S106
    population = PlantedPopulation(population=world, devices=6, plants=told)
    in_reply, in_persona, bare = (population.pairs(index) for index in range(3))
    assert "one two" in in_reply[-1].chosen[0].content
    assert all("one two" in (pair.persona or "") for pair in in_reply)
    assert len(in_persona) == 2
    assert all("three four" in (pair.persona or "") for pair in in_persona)
    assert not any("three four" in pair.chosen[0].content for pair in in_persona)
    assert bare == world.pairs(2)
    assert "one two" not in repr(told[0])


def test_a_shadow_moves_the_adapter_as_far_for_one_device_as_the_run() -> None:
    plan = FederationPlan(
        rounds=6, cohort_size=240, devices=1440, sampling="schedule", secure_aggregation=SecureAggregationTerms(),
        user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=1.3), server_learning_rate=8.0,
    )  # fmt: skip
    shadow = shadow_plan(plan, private=True)
    assert (shadow.cohort_size, shadow.devices) == (24, 144)
    assert shadow.server_learning_rate / shadow.cohort_size == pytest.approx(plan.server_learning_rate / 240)
    assert shadow.user_privacy is not None
    assert shadow.user_privacy.mechanism == "gaussian"
    assert shadow.user_privacy.noise_multiplier == 1.3
    assert shadow_plan(plan, private=False).user_privacy is None


def test_what_a_device_learned_by_heart_is_exposed_and_said_and_nothing_else() -> None:
    """Both rulers have to reach their ends: rank 1, and the secret said."""
    adapted = _adapted()
    space = secret_space(adapted.language_model.tokenizer, length=3)
    secrets = space.draw(Random(2), 2 + _LURES)
    learned = train_locally(
        adapted, adapted.beginning(), [secret_pair("Likes lists.", secrets[0], in_persona=False)],
        TrainingConfig(optimizer="adam", learning_rate=0.02, local_steps=40, objective="sft"),
        noise=AesCtrNoise(bytes(32)), seed=0,
    ).vector  # fmt: skip
    suspects = [Suspect(secret=secret, persona="Likes lists.", other="Likes prose.") for secret in secrets[:2]]
    exposure = Exposure(adapted, suspects, secrets[2:])

    vector = adapted.beginning() + learned
    bits = exposure.bits(vector, "own")
    assert bits[0] == exposure.most
    assert bits[1] < exposure.most
    assert exposure.extracted(vector, "own", samples=2, seed=0).tolist() == [True, False]
    # Of an adapter that learned nothing all ranks are ties.
    assert np.allclose(exposure.bits(adapted.beginning(), "none"), exposure.most - np.log2(1 + _LURES / 2), atol=1.0)


@pytest.mark.slow
def test_secrets_told_to_many_leak_and_those_of_strangers_do_not() -> None:
    """The audit's control: a federation without privacy."""
    adapted = _adapted()
    plan = replace(
        FederationPlan(rounds=4, cohort_size=12, devices=24, sampling="schedule"), adapter=adapted.spec.config,
        model=ModelConfig(device="cpu"), server_learning_rate=1.0,
    )  # fmt: skip
    world = EmbeddedPopulation(seed=0, users=24, pairs_per_user=2)
    space = secret_space(adapted.language_model.tokenizer, length=3)
    each = 4
    secrets = space.draw(Random(4), 3 * each + _LURES)
    told = planted(secrets, each, Condition(name="control", plan=plan, repeats=8))
    assert {plant.secret for plant in told.values()} == set(secrets[:2])
    vector = release_of(plan, PlantedPopulation(population=world, devices=24, plants=told), adapted)
    suspects = [
        Suspect(secret=secret, persona=world.pairs(place)[0].persona, other=None)
        for place, secret in enumerate(secrets[: 3 * each])
    ]
    bits = Exposure(adapted, suspects, secrets[3 * each :]).bits(vector, "none")
    told_bits, strangers = bits[:2], bits[2 * each :]
    assert told_bits.mean() >= 4
    assert told_bits.mean() - strangers.mean() >= 1


def test_a_fact_is_added_to_a_persona() -> None:
    assert with_fact(None, "a b") == "The secret words are a b."
    assert with_fact("Likes lists.", "a b").startswith("Likes lists. ")
