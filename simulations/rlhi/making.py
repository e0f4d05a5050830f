"""The embedded world's training users with pairs of the device's own making."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from random import Random

from client.followups import FollowUpClassifier
from client.followups.by_model import ModelFollowUpClassifier
from client.followups.light import LightFollowUpClassifier
from client.pair_making import Models, OwnModel, PairReport, UserHistory, make_pairs
from client.rewards import Reward
from client.rewards.judge import ModelJudge
from client.rewards.mutual_information import PersonaMutualInformation
from client.rewards.reward_model import load_reward_model
from shared.conversation import PreferencePair
from simulations.population.embedded.users import Split
from simulations.population.made import MadePopulation
from simulations.rlhi.config import RlhiConfig
from simulations.rlhi.personas import SimulatedUser, simulated_users
from simulations.rlhi.stages import score_stages
from simulations.rlhi.world_reward import WorldReward

_USERS_AT_ONCE = 64


def make_population(
    config: RlhiConfig,
    model: OwnModel,
    *,
    seed: int,
    users: int,
    split: Split = "train",
    progress: Callable[[float, str], None] = lambda _share, _note: None,
) -> MadePopulation:
    """Users of the world with the pairs that their devices would make.

    Args:
        model: the base model, without adapter.
        seed: of the world.
        progress: told the share that is done, and what is being done.

    Raises:
        RewardModelError, LightWeightsError: a model of the pipeline cannot be loaded.
    """
    source = model if config.personas == "inferred" else None
    people = simulated_users(
        source,
        seed=seed,
        split=split,
        users=users,
        history_length=config.history,
        progress=lambda share: progress(0.4 * share, "inferring personas"),
    )
    models = _models(config, model)
    reports: list[PairReport] = []
    for start in range(0, len(people), _USERS_AT_ONCE):
        part = people[start : start + _USERS_AT_ONCE]
        reports += make_pairs(
            [UserHistory(conversations=one.conversations, persona=one.persona) for one in part],
            models,
            config.making(),
            seed=_part_seed(config.seed, start),
        )
        progress(0.4 + 0.6 * len(reports) / len(people), f"pairs of {len(reports)} users")
    stages = score_stages(people, reports)
    return MadePopulation(seed=seed, devices=train_under(people, reports, config), stages=stages)


def making_settings(config: RlhiConfig, *, fingerprint: str, seed: int, users: int) -> str:
    """What made pairs are known by."""
    return json.dumps({**asdict(config), "model": fingerprint, "world": seed, "users": users}, sort_keys=True)


def train_under(
    people: Sequence[SimulatedUser], reports: Sequence[PairReport], config: RlhiConfig
) -> tuple[tuple[PreferencePair, ...], ...]:
    """Each user's pairs, under the persona that the configuration trains with."""
    devices = []
    for index, report in enumerate(reports):
        persona = {"own": people[index].persona, "none": None}.get(
            config.trained_persona, _other(people, index, config.seed)
        )
        devices.append(tuple(replace(pair, persona=persona) for pair in report.pairs))
    return tuple(devices)


def _other(people: Sequence[SimulatedUser], index: int, seed: int) -> str | None:
    """The persona of a user who wants another style."""
    rng = Random(f"tacit other persona {seed} {index}")
    for place in rng.sample(range(len(people)), len(people)):
        if people[place].user.style != people[index].user.style:
            return people[place].persona
    return None


def _models(config: RlhiConfig, model: OwnModel) -> Models:
    classifier: FollowUpClassifier = (
        ModelFollowUpClassifier(model) if config.classifier == "model" else LightFollowUpClassifier.packaged()
    )
    return Models(own=model, classifier=classifier, rewriter=model, reward=_reward(config, model))


def _reward(config: RlhiConfig, model: OwnModel) -> Reward:
    if config.reward == "judge":
        return ModelJudge(model)
    if config.reward == "reward-model":
        return load_reward_model(config.reward_model or "")
    if config.reward == "world":
        return WorldReward()
    return PersonaMutualInformation(model, batch_size=128)


def _part_seed(seed: int, start: int) -> int:
    return Random(f"tacit making {seed} {start}").randrange(2**31)
