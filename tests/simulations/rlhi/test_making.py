"""Pairs of the devices' own making on the embedded world: honest stages, and pairs that are found again."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import pytest

from shared.causal_lm import LanguageModel
from shared.flat_config import ConfigError
from shared.language_model import ModelConfig, load_language_model
from simulations.population.embedded.history import history, speaker
from simulations.population.made import MadePairsError, MadePopulation, load_made
from simulations.rlhi.config import RlhiConfig
from simulations.rlhi.making import make_population, making_settings
from simulations.rlhi.personas import persona_accuracy, simulated_users

CONFIG = RlhiConfig(enabled=True, history=10, rewrites=3, rewards=2)


@cache
def tiny() -> LanguageModel:
    return load_language_model(ModelConfig(device="cpu"))


@cache
def made(**changes: object) -> MadePopulation:
    return make_population(replace(CONFIG, **changes), tiny(), seed=4, users=6)  # type: ignore[arg-type]


def stage(population: MadePopulation, group: str, name: str) -> dict[str, float]:
    return cast("dict[str, dict[str, dict[str, float]]]", population.stages)[group][name]


def test_histories_are_dated_and_every_second_user_speaks_in_held_out_phrases() -> None:
    for index in range(4):
        user = speaker(4, "reporting", index)
        log = history(user, 12)
        dates = [entry.conversation.started for entry in log]
        assert dates == sorted(dates, key=str)
        assert user.held_out_phrases == (index % 2 == 1)
        assert history(user, 5) == log[:5]
        for entry in log:
            assert entry.conversation.messages[0].content == entry.truth.question
            assert entry.conversation.messages[2].content == entry.truth.followup


@pytest.mark.slow
def test_the_pipeline_makes_mostly_right_pairs_from_conversations_alone() -> None:
    population = made()
    assert len(population) == 6
    assert population.pair_count() > 10
    rewrites, personas = stage(population, "all", "rewrites"), stage(population, "all", "personas")
    assert rewrites["kept_right"] > 0.8
    assert personas["precision"] > 0.9
    assert (
        stage(population, "all", "follow_ups")["macro_f1"] > stage(population, "all", "follow_ups")["majority_accuracy"]
    )
    origins = {pair.origin for index in range(6) for pair in population.pairs(index)}
    assert origins == {"rewrite", "reward"}


@pytest.mark.slow
def test_the_persona_of_training_is_a_choice_that_changes_nothing_else() -> None:
    own, none, other = made(), made(trained_persona="none"), made(trained_persona="other")
    for index in range(6):
        texts = [[(pair.prompt, pair.chosen, pair.rejected) for pair in one.pairs(index)] for one in (own, none, other)]
        assert texts[0] == texts[1] == texts[2]
        assert all(pair.persona is None for pair in none.pairs(index))
    shown = {pair.persona for index in range(6) for pair in own.pairs(index)}
    swapped = [
        (mine.persona, theirs.persona)
        for index in range(6)
        for mine, theirs in zip(own.pairs(index), other.pairs(index), strict=True)
    ]
    assert shown
    assert all(mine != theirs for mine, theirs in swapped)


@pytest.mark.slow
def test_made_pairs_are_found_again_and_those_of_other_settings_are_not(tmp_path: Path) -> None:
    settings = making_settings(CONFIG, fingerprint="f", seed=4, users=6)
    made().save(tmp_path, settings)
    found = load_made(tmp_path, settings)
    assert found is not None
    assert found.devices == made().devices
    with pytest.raises(MadePairsError, match="other settings"):
        load_made(tmp_path, making_settings(CONFIG, fingerprint="f", seed=5, users=6))
    (tmp_path / "made_pairs.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(MadePairsError, match="damaged"):
        load_made(tmp_path, settings)
    assert load_made(tmp_path / "elsewhere", settings) is None


def test_the_worlds_own_personas_need_no_model_and_state_everything() -> None:
    users = simulated_users(None, seed=4, split="tuning", users=8, history_length=3)
    accuracy = persona_accuracy(users).to_json()
    assert accuracy["axes_right"] == accuracy["precision"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"candidates": 1},
        {"rewrites": 0, "rewards": 0},
        {"reward": "reward-model"},
        {"reward_model": "x"},
        {"history": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="rlhi"):
        replace(CONFIG, **change)  # type: ignore[arg-type]
