"""A finished run as audits see it: what it was, what it claims, and what it released."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from server.releases import ReleaseError, RunDirectory
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import load_language_model
from shared.privacy.guarantee import Unit
from shared.round_plan import FederationPlan
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.made import MadePopulation, load_made
from simulations.population.recorded import RecordedPopulation
from simulations.rlhi.making import making_settings
from simulations.run.config import RunConfig
from simulations.run.data import load_population
from simulations.run.directory import RunFiles


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What `summary.json` promises for one unit.

    Attributes:
        epsilon_server: against everyone who may know who took part when.
        epsilon_model_observer: against whoever sees released models only.
        delta: of both.
        server_is_trusted: the first does not hold against the server itself.
    """

    epsilon_server: float
    epsilon_model_observer: float
    delta: float
    server_is_trusted: bool


class AuditedRun:
    """The run in a directory; what is costly is made when it is asked for."""

    def __init__(self, path: Path) -> None:
        """Raises:
        ReleaseError: no finished run stands there; ConfigError: it is damaged.
        """
        self.files = RunFiles(path)
        summary = self.files.read_summary()
        if summary is None:
            raise ReleaseError(f"{path} holds no finished run to audit")
        self.summary: Mapping[str, object] = summary
        self.config: RunConfig = self.files.read_config()

    @cached_property
    def population(self) -> EmbeddedPopulation | MadePopulation | RecordedPopulation:
        """Whose pairs trained.

        Raises:
            ReleaseError: pairs that the devices made are not there; see also `load_population`.
        """
        population, _ = load_population(self.config.data)
        if not self.config.rlhi.enabled or not isinstance(population, EmbeddedPopulation):
            return population
        fingerprint = self.adapted.language_model.fingerprint()
        settings = making_settings(
            self.config.rlhi, fingerprint=fingerprint, seed=population.seed, users=len(population)
        )
        made = load_made(self.files.path, settings)
        if made is None:
            raise ReleaseError(f"{self.files.path} does not hold the pairs that its devices made")
        return made

    @cached_property
    def plan(self) -> FederationPlan:
        """Over the population."""
        return self.config.plan_for(self.population)

    @cached_property
    def adapted(self) -> AdaptedModel:
        """The base model with the run's adapter, at its beginning."""
        return attach_adapter(load_language_model(self.config.plan.model), self.config.plan.adapter)

    @cached_property
    def release(self) -> NDArray[np.float32]:
        """(state_dimension,) the last. Raises: ReleaseError: there is none."""
        found = RunDirectory(self.files.path, plan=self.plan, spec=self.adapted.spec).open(resume=True)
        if found is None:
            raise ReleaseError(f"{self.files.path} holds no release")
        return found.vector

    def claim(self, unit: Unit) -> Claim | None:
        """What the run promises; None where it promises nothing."""
        said = cast("Mapping[str, Mapping[str, object] | None]", self.summary["privacy"])[unit]
        if said is None:
            return None
        return Claim(
            epsilon_server=float(cast(float, said["epsilon_server"])),
            epsilon_model_observer=float(cast(float, said["epsilon_model_observer"])),
            delta=float(cast(float, said["delta"])),
            server_is_trusted=bool(said["server_is_trusted"]),
        )
