from __future__ import annotations

from simulations.population.embedded.population import EmbeddedPopulation
from simulations.run.config import RunConfig


def test_a_poisson_run_can_be_configured_and_its_plan_knows_its_devices() -> None:
    made = RunConfig.from_flat(
        {
            "data.users": 200,
            "privacy.unit": "user",
            "user-privacy.noise-multiplier": 2.0,
            "user-privacy.participations": 12,
            "federation.sampling": "poisson",
            "federation.attempts": 1,
            "federation.cohort-size": 20,
        }
    )

    assert made.plan_for(EmbeddedPopulation(seed=0, users=200, pairs_per_user=1)).devices == 200
    assert RunConfig.from_flat(made.to_flat()) == made
