from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from client.personal_training import PersonalTraining
from client.training import TrainingConfig
from server.cohorts import RandomCohorts, ScheduledCohorts
from server.roster import Roster
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from shared.round_plan import FederationPlan
from simulations.evaluation.cold_start import ChosenUsers, evaluate_personal, trained_users
from simulations.evaluation.embedded import evaluate_embedded
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.run.config import EvaluationConfig
from simulations.run.measurement import _seen_and_strangers


def test_those_who_trained_are_those_whom_the_servers_own_cohorts_ask() -> None:
    of = FederationPlan(cohort_size=5, devices=100, rounds=4, seed=3)
    everyone = Roster(devices=tuple(range(100)), nodes={})
    for plan, cohorts in (
        (of, RandomCohorts(of)),
        (replace(of, sampling="schedule"), ScheduledCohorts(replace(of, sampling="schedule"), range(100))),
    ):
        asked = {
            device
            for number in range(1, 5)
            for device in cohorts.draw(everyone, round_number=number, attempt=1, place=number - 1)
        }
        assert set(trained_users(plan, most=100)) == asked
        few = trained_users(plan, most=3)
        assert len(few) == 3
        assert set(few) <= asked
    secret = replace(of, sampling="poisson", attempts=1)
    assert trained_users(secret, most=4) == (0, 1, 2, 3)


def test_chosen_users_are_the_populations_own_and_can_be_asked() -> None:
    population = EmbeddedPopulation(seed=1, users=50)
    chosen = ChosenUsers(population=population, indices=(7, 30, 41))
    assert len(chosen) == 3
    assert chosen.user(1) == population.user(30)
    assert chosen.questions(2, 1) == population.questions(41, 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ffa-lora", "fedsa-lora"])
def test_newcomers_train_an_adapter_of_their_own_and_the_shared_one_is_left(method: str) -> None:
    config = AdapterConfig(method=method, rank=4)  # type: ignore[arg-type]
    adapted = attach_adapter(load_language_model(ModelConfig(device="cpu")), config)
    state = adapted.beginning()
    newcomers = EmbeddedPopulation(seed=0, users=4, pairs_per_user=6, split="tuning")
    training = TrainingConfig(max_prompt_tokens=192, max_completion_tokens=112)
    done: list[int] = []
    found = evaluate_personal(
        adapted, state, newcomers, training, questions=2, seed=0, progress=done.append,
        how=PersonalTraining(steps=8, step_length=1.0),
    )  # fmt: skip

    # A fresh adapter answers as the base does, so that every question is a tie.
    assert (found.shared.value, found.shared.low, found.shared.high) == (0.5, 0.5, 0.5)
    assert found.gain.value == pytest.approx(found.personal.value - 0.5)
    assert found.personal.value != 0.5
    assert 0 < found.weight <= 1
    assert found.unused < 4
    assert done == [1, 2, 3, 4]
    np.testing.assert_array_equal(adapted.read(), state)
    after = evaluate_embedded(adapted, newcomers, questions_per_user=1, temperatures=(0.0,))
    assert after.result("own").win.value == 0.5


def test_strangers_are_of_the_same_kind_and_were_never_in_the_federation() -> None:
    plan = FederationPlan(cohort_size=5, devices=40, rounds=4, seed=3)
    trained = EmbeddedPopulation(seed=2, users=40)
    found = _seen_and_strangers(plan, trained, EvaluationConfig(seen_users=6))
    seen, strangers = found["seen_users"], found["strangers"]
    assert (len(seen), len(strangers)) == (6, 6)
    assert strangers.split == trained.split
    there = {trained.user(index).identity for index in range(40)}
    assert all(seen.user(index).identity in there for index in range(6))
    assert not any(strangers.user(index).identity in there for index in range(6))
    assert _seen_and_strangers(plan, trained, EvaluationConfig()) == {}
