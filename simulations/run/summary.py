"""`summary.json`: what a run was, what it cost, what it promises, and what came of it.

No real person's words are in it; the examples of the embedded world are simulated people's.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from server.round_record import NodeFailure, RoundRecord
from shared.adapter import AdaptedModel
from shared.plan_guarantees import plan_guarantees
from shared.privacy.guarantee import Guarantee
from shared.privacy.noise_norm import noise_norm_over_clipping
from shared.round_plan import FederationPlan
from simulations.attacks.backdoor_success import BackdoorSuccess
from simulations.attacks.report import attack_entry
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.made import MadePopulation
from simulations.population.recorded import RecordedPopulation
from simulations.run.config import RunConfig
from simulations.run.measurement import Measurement

_PROJECT = Path(__file__).resolve().parents[2]
_ONLY_THE_RELEASES = (
    "the figures cover the adapter and the rounds' releases; every other figure and count of the run (pairs, users, "
    "utility, a digest of the data) is exact and not covered"
)


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Attributes:
    wall_seconds: of the process that finished the run.
    resumed_after: the round that an earlier process had finished; None if there was no earlier process.
    """

    wall_seconds: float
    resumed_after: int | None


def summarise(
    *,
    config: RunConfig,
    plan: FederationPlan,
    population: EmbeddedPopulation | MadePopulation | RecordedPopulation,
    adapted: AdaptedModel,
    records: Sequence[RoundRecord],
    fold_records: Sequence[RoundRecord],
    requests: int,
    measurement: Measurement,
    backdoor: BackdoorSuccess | None = None,
    cost: RunCost,
    command: str,
) -> dict[str, object]:
    """The keys of `summary.json`.

    Args:
        records, fold_records: rounds of the run and of its cross-validation.
        requests: how often cohorts were asked (`server.ledger`), so the most that a device can have answered.
        backdoor: whether it opens, where there is one and it was measured.

    Raises:
        ValueError: a private run for which the accountant has no figure.
    """
    failures = [failure for record in (*records, *fold_records) for failure in record.failures]
    refused = [failure for failure in failures if _is_refusal(failure)]
    given = plan_guarantees(plan, devices=plan.devices, requests=requests, releases=len(records))
    device_seconds = [record.metrics.device_seconds for record in records if record.metrics is not None]
    return {
        "tacit_version": version("tacit"),
        "git_commit": git_commit(),
        "command": command,
        "seed": plan.seed,
        "engine": config.run.engine,
        "model": {"name": adapted.spec.base_name, "parameters": adapted.language_model.parameter_count()},
        "data": {
            "source": population.name,
            "users_train": len(population),
            "users_with_pairs": _users_with_pairs(population),
            "users_test": measurement.users_test,
            "pairs": _pair_count(population),
            "made": dict(population.stages) if isinstance(population, MadePopulation) else None,
            "loaded": population.load_report().to_json() if isinstance(population, RecordedPopulation) else None,
        },
        "federation": {
            "rounds": len(records),
            "cohort": min(plan.cohort_size, plan.devices),
            "replies": sum(record.replies for record in records),
            "replies_without_pairs": sum(record.no_pairs for record in records),
            "method": plan.adapter.method,
            "rank": plan.adapter.rank,
            "newcomer": plan.adapter.federation.newcomer,
            "shared_parameters": adapted.spec.dimension,
            "bytes_up_per_device_round": max((record.bytes_up for record in records), default=0),
            "bytes_down_per_device_round": max((record.bytes_down for record in records), default=0),
        },
        "privacy": {
            "user": _stated(given.user),
            "pair": _stated(given.pair),
            "noise_norm_over_clipping": _noise_norm(plan, adapted.spec.dimension),
        },
        "utility": measurement.utility,
        "not_measured": measurement.not_measured,
        "details": measurement.details,
        "cost": {
            "wall_seconds": cost.wall_seconds,
            "resumed_after_round": cost.resumed_after,
            "rounds_seconds": sum(record.seconds for record in records),
            "device_seconds_median": statistics.median(device_seconds) if device_seconds else None,
            "peak_rss_bytes": _peak_bytes(),
        },
        "attack": attack_entry(config.attack, devices=plan.devices, refused=refused, backdoor=backdoor),
        "refused": len(refused),
        "dropouts": len(failures) - len(refused),
    }


def _noise_norm(plan: FederationPlan, dimension: int) -> float:
    terms = plan.user_privacy
    if terms is None:
        return 0.0
    return noise_norm_over_clipping(
        mechanism=terms.mechanism,
        noise_multiplier=terms.noise_multiplier,
        dimension=dimension,
        cohort_size=plan.cohort_size,
        rounds=plan.rounds,
        participations=terms.participations,
        separation=terms.separation,
        over_provision=plan.over_provision,
    )


def _stated(guarantee: Guarantee | None) -> dict[str, object] | None:
    if guarantee is None:
        return None
    return replace(guarantee, assumptions=(*guarantee.assumptions, _ONLY_THE_RELEASES)).as_json()


def _pair_count(population: EmbeddedPopulation | MadePopulation | RecordedPopulation) -> int:
    if isinstance(population, EmbeddedPopulation):
        return len(population) * population.pairs_per_user  # not by making them: there may be a million users
    if isinstance(population, MadePopulation):
        return population.pair_count()
    return len(population.recorded_pairs())


def _users_with_pairs(population: EmbeddedPopulation | MadePopulation | RecordedPopulation) -> int:
    if isinstance(population, EmbeddedPopulation):
        return len(population)
    return sum(bool(recorded) for recorded in population.devices)


def _is_refusal(failure: NodeFailure) -> bool:
    """Whether the device said something that could not be used; a dropout said nothing, or that it could not."""
    return failure.reason.startswith("invalid reply") or failure.reason == "wrong request"


def git_commit() -> str | None:
    """Of the checkout that runs, "-changed" if its files differ from it; None of an installed package."""
    if not (_PROJECT / ".git").exists():
        return None
    try:
        commit, changes = (
            subprocess.run(  # noqa: S603
                ["git", "-C", str(_PROJECT), *arguments],  # noqa: S607
                capture_output=True, text=True, timeout=10, check=True,
            ).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-changed" if changes else commit


def _peak_bytes() -> int:
    """The largest resident set that this process or one of its ended children had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
