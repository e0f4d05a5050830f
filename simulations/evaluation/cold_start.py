"""What a user gets who was there, who comes new, and who comes new and trains an adapter of their own.

Three groups answer to one rule (`simulations.evaluation.embedded`): users whose devices trained, users held out, and
the same held-out users with a personal change on top (`client.personal_training`), trained on a few pairs of theirs.
All ask new questions under their own persona.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client.personal_training import PersonalTraining, load_with_personal, train_personal
from client.training import TrainingConfig
from server.cohorts import RandomCohorts, ScheduledCohorts
from server.roster import Roster
from shared.adapter import AdaptedModel
from shared.conversation import Message
from shared.round_plan import FederationPlan
from simulations.evaluation.embedded import MAX_NEW_TOKENS, Figure, persona_prompts, reply_fits, win_of_users
from simulations.evaluation.statistics import bootstrap_interval
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.embedded.users import User


@dataclass(frozen=True, kw_only=True)
class ChosenUsers:
    """Some users of a population, numbered anew."""

    population: EmbeddedPopulation
    indices: tuple[int, ...]

    @property
    def split(self) -> str:
        """Of the population."""
        return self.population.split

    def __len__(self) -> int:
        return len(self.indices)

    def user(self, index: int) -> User:
        """User `index` of those chosen."""
        return self.population.user(self.indices[index])

    def questions(self, index: int, n: int) -> tuple[tuple[Message, ...], ...]:
        """As the population's."""
        return self.population.questions(self.indices[index], n)


@dataclass(frozen=True, kw_only=True)
class PersonalResult:
    """Held-out users who trained an adapter of their own.

    Attributes:
        users, pairs: how many, with how many pairs each.
        shared, personal: win against the base's reply with the shared adapter, and with the personal change on top.
        gain: the second minus the first, user by user.
        weight: mean of the weights that users chose; how many chose 0 is `unused`.
    """

    users: int
    pairs: int
    shared: Figure
    personal: Figure
    gain: Figure
    weight: float
    unused: int


def trained_users(plan: FederationPlan, *, most: int) -> tuple[int, ...]:
    """Numbers of devices that a whole run asks, at most so many; all of its first ones where cohorts are secret."""
    everyone = range(plan.devices)
    if plan.sampling == "poisson":
        return tuple(everyone)[:most]
    roster = Roster(devices=tuple(everyone), nodes={})
    cohorts = RandomCohorts(plan) if plan.sampling == "random" else ScheduledCohorts(plan, everyone)
    asked: dict[int, None] = {}
    for number in range(1, plan.rounds + 1):
        asked |= dict.fromkeys(cohorts.draw(roster, round_number=number, attempt=1, place=number - 1))
        if len(asked) >= most:
            break
    return tuple(sorted(asked))[:most]


def evaluate_personal(
    adapted: AdaptedModel,
    state: NDArray[np.float32],
    population: EmbeddedPopulation,
    training: TrainingConfig,
    *,
    questions: int,
    seed: int,
    how: PersonalTraining | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> PersonalResult:
    """Each user trains on their own pairs, and asks new questions, greedily.

    Args:
        state: the shared adapter.
        population: held-out users, with as many pairs as each has to train on.
        progress: told how many users are done.
    """
    prompts = persona_prompts(population, "own", questions)

    def fits(chosen: slice) -> NDArray[np.float64]:
        part = prompts[chosen]
        replies = adapted.language_model.generate_replies(
            [prompt.turns for prompt in part], max_new_tokens=MAX_NEW_TOKENS, temperature=0.0, seed=seed, batch_size=64
        )
        return reply_fits([samples[0].text for samples in replies], part)

    everyone = slice(0, len(prompts))
    with adapted.disabled():
        base = fits(everyone)
    adapted.load(state)
    shared = fits(everyone)
    personal = np.zeros_like(shared)
    weights: list[float] = []
    for index in range(len(population)):
        change = train_personal(adapted, state, population.pairs(index), training, how=how)
        load_with_personal(adapted, state, change.vector, change.weight)
        own = slice(index * questions, (index + 1) * questions)
        personal[own] = fits(own)
        weights.append(change.weight)
        progress(index + 1)
    adapted.load(state)
    of_shared, of_personal = win_of_users(base, shared, questions), win_of_users(base, personal, questions)
    return PersonalResult(
        users=len(population),
        pairs=population.pairs_per_user,
        shared=_figure(of_shared, seed),
        personal=_figure(of_personal, seed),
        gain=_figure(of_personal - of_shared, seed),
        weight=float(np.mean(weights)),
        unused=sum(weight == 0 for weight in weights),
    )


def _figure(values: Sequence[float] | NDArray[np.float64], seed: int) -> Figure:
    low, high = bootstrap_interval(np.asarray(values), seed=seed)
    return Figure(value=float(np.mean(values)), low=low, high=high)
