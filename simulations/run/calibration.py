"""From a target ε to the noise that keeps it."""

from __future__ import annotations

from collections.abc import Mapping

from shared.flat_config import ConfigError
from shared.round_plan import FederationPlan

_UNIT, _NOISE = "privacy.unit", "user-privacy.noise-multiplier"


def calibrated(terms: Mapping[str, object], epsilon: float) -> dict[str, object]:
    """A plan's keys with the noise multiplier that keeps ε per user against everyone, if each device takes part in as
    many rounds as it may.

    Users become private, and cohorts follow a schedule, unless the keys say otherwise.

    Raises:
        ConfigError: the keys contradict the target, or no noise keeps it.
    """
    from shared.privacy.user_level import noise_for

    unit = terms.get(_UNIT, "none")
    wanted = {"none": "user", "pair": "both"}.get(str(unit), str(unit))
    given = {key: value for key, value in terms.items() if key not in (_UNIT, _NOISE)}
    if given.get("federation.sampling", "random") == "random":
        given["federation.sampling"] = "schedule"
    # The keys of a run without privacy are written as absent.
    given = {key: value for key, value in given.items() if not key.startswith("user-privacy.") or value not in (0, "")}
    plan = FederationPlan.from_run_config({**given, _UNIT: wanted, _NOISE: 1.0})
    user = plan.user_privacy
    if user is None:
        raise ConfigError("run.epsilon: is per user, and privacy.unit protects none")
    try:
        noise = noise_for(
            epsilon=epsilon,
            delta=plan.delta,
            mechanism=user.mechanism,
            participations=user.participations,
            contributors=max(plan.least_contributors, 1),
        )
    except ValueError as error:
        raise ConfigError(f"run.epsilon: {error}") from None
    said = terms.get(_NOISE, 0.0)
    if said not in (0, noise):
        raise ConfigError(f"{_NOISE}: is {said}, and run.epsilon asks for {noise}: give one of the two")
    return {**given, _UNIT: wanted, _NOISE: noise}
