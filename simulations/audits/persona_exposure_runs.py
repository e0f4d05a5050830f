"""Shadow runs: the plan over again, with secrets planted in some devices' personas and conversations.

A shadow keeps what decides how much one device can move the adapter: clipping, the step along its update, the noise in
units of one update, and how often a device takes part. It has fewer other devices, and the server adds the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.releases import ReleaseError, RunDirectory
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair
from shared.privacy.mechanisms import is_distributed
from shared.round_plan import FederationPlan
from simulations.audits.persona_exposure_secrets import secret_pair, with_fact
from simulations.audits.registry import AuditSizes
from simulations.engines.inline import run_inline
from simulations.population.protocol import Population

Place = Literal["persona", "reply"]
_SMALLEST_COHORT = 4
_FULL = AuditSizes()


@dataclass(frozen=True, kw_only=True, repr=False)
class Plant:
    """Attributes:
    secret: that one device knows.
    place: "persona": stated in the persona of all its pairs. "reply": there, and one pair more, whose chosen reply
        gives it away.
    """

    secret: str
    place: Place


@dataclass(frozen=True, kw_only=True, repr=False)
class PlantedPopulation:
    """A population some of whose devices know secrets. Implements `simulations.population.protocol.Population`.

    Attributes:
        population: what the pairs are taken from, walked round and round.
        devices: how many take part.
        plants: device → what it knows.
    """

    population: Population
    devices: int
    plants: Mapping[int, Plant]

    @property
    def name(self) -> str:
        return self.population.name

    def __len__(self) -> int:
        return self.devices

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The pairs of device `index`, with its secret, if any."""
        pairs = tuple(self.population.pairs(index % len(self.population)))
        plant = self.plants.get(index)
        if plant is None or not pairs:
            return pairs
        persona = pairs[0].persona
        knowing = tuple(replace(pair, persona=with_fact(pair.persona, plant.secret)) for pair in pairs)
        if plant.place == "persona":
            return knowing
        return (*knowing, secret_pair(persona, plant.secret, in_persona=True))


def shadow_plan(plan: FederationPlan, *, private: bool, sizes: AuditSizes = _FULL) -> FederationPlan:
    """The plan with smaller cohorts, of which each device is in as many as in the plan; or without any privacy.

    The server's step is along the SUM of the updates as it was: as long a step for one device's update.
    """
    cohort = min(plan.cohort_size, plan.devices)
    smaller = max(_SMALLEST_COHORT, min(cohort, sizes.persona_cohort, sizes.persona_updates // plan.rounds))
    turns = min(plan.devices / cohort, float(plan.rounds))
    user = plan.user_privacy if private else None
    if user is not None and (is_distributed(user.mechanism) or user.cohort_limit is not None):
        user = replace(user, mechanism="gaussian", cohort_limit=None)
    return replace(
        plan,
        cohort_size=smaller,
        devices=math.ceil(smaller * turns),
        sampling="schedule",
        secure_aggregation=None,
        user_privacy=user,
        pair_privacy=plan.pair_privacy if private else None,
        minimum_replies=1,
        attempts=1,
        server_learning_rate=plan.server_learning_rate * smaller / cohort,
    )


def release_of(
    plan: FederationPlan, population: Population, adapted: AdaptedModel, *, answered: Callable[[], None] = lambda: None
) -> NDArray[np.float32]:
    """(state_dimension,) the last release of a run of the plan, in a directory that is removed.

    Raises:
        ReleaseError: nothing was released; and what `run_inline` raises.
    """
    with TemporaryDirectory(prefix="tacit-shadow-") as kept:
        run_inline(plan, population, directory=Path(kept), processes=0, answered=answered)
        release = RunDirectory(Path(kept), plan=plan, spec=adapted.spec).open(resume=True)
    if release is None:
        raise ReleaseError("the shadow run released nothing")
    return release.vector
