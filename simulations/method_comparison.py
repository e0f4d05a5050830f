"""Aggregation methods in one harness: the same users, cohorts, steps and questions for all of them, over several seeds.

Without privacy, at two cohort sizes and with several local steps: with one step most methods make the same of the same
gradients. And those that can be had under masks, at one user-level ε, with real cohorts as large as that needs. Every
run is a run's directory like any other, and one that is finished is not run again.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

from server.releases import read_rounds
from server.round_record import RoundRecord
from shared.adapter_methods import METHODS, Method
from shared.flat_config import ConfigError
from simulations.run.config import read_preset, without_masks
from simulations.run.directory import RunFiles
from simulations.run.figures import figures_over_seeds
from simulations.run.many import Sweep

RESULT_FILE = "methods.json"
COHORTS = (10, 50)
# A core of rank 10 has an eighth of the numbers of FFA at rank 4; alpha keeps the scale, alpha / rank, of the others.
# FedSA's A does not move in a first step, its B being zero.
_PRIVATE_OWN: Mapping[Method, Mapping[str, object]] = {
    "fed-sb": {"adapter.rank": 10, "adapter.alpha": 40.0},
    "fedsa-lora": {"training.local-steps": 3},
}
# Adam's steps have the same length for every number, so that what trains fewer of them needs longer ones: chosen on
# tuning users, for FFA, FedIT, RoLoRA and Fed-SB, from 0.01 to 0.2. (Plain gradient steps that serve B alone throw A
# and B together far.)
_RATES: Mapping[Method, float] = {"ffa-lora": 0.03, "rolora": 0.03, "fedsvd": 0.03, "fedask": 0.03, "fed-sb": 0.1}
_RATE = 0.02
_OWN: Mapping[Method, Mapping[str, object]] = {"fed-sb": {"adapter.rank": 10, "adapter.alpha": 20.0}}
# Where a release is the base model for a newcomer, and where it is not: what training a factor at home adds.
_PERSONAL: tuple[Method, ...] = ("ffa-lora", "fedsa-lora")
_PERSONAL_USERS, _PERSONAL_COHORT = 32, 50
_FIGURES = (
    ("win_rate_greedy", "own_persona"),
    ("win_rate_greedy", "no_persona"),
    ("win_rate_greedy", "other_persona"),
    ("win_rate_greedy_seen_users", "own_persona"),
    ("win_rate_greedy_strangers", "own_persona"),
    ("win_rate_greedy_shared_of_newcomers", "own_persona"),
    ("win_rate_greedy_personal_of_newcomers", "own_persona"),
    ("style_fit_worst_decile_greedy", "own_persona"),
    ("style_fit_worst_decile_greedy", "base"),
    ("pair_accuracy", "own_persona"),
    ("coherent_greedy", "own_persona"),
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row.

    Attributes:
        method: how adapters are aggregated.
        cohort: devices a round.
        epsilon: per user, against everyone but the server; None adds no noise.
    """

    method: Method
    cohort: int
    epsilon: float | None = None

    @property
    def name(self) -> str:
        """As its directories are called."""
        noise = "" if self.epsilon is None else f"-eps{str(self.epsilon).removesuffix('.0')}"
        return f"{self.method}-{self.cohort}{noise}"


def settings_without_privacy(methods: Sequence[Method], cohorts: Sequence[int] = COHORTS) -> list[Setting]:
    """Every method at every cohort size."""
    return [Setting(method=method, cohort=cohort) for cohort in cohorts for method in methods]


def settings_with_privacy(methods: Sequence[Method], *, epsilon: float, cohort: int) -> list[Setting]:
    """The methods that can be had under masks, with and without noise."""
    possible = [method for method in methods if not METHODS[method].refusal("user-privacy-distributed")]
    return [Setting(method=method, cohort=cohort, epsilon=epsilon) for method in possible]


def setting_config(setting: Setting, seed: int, changes: Mapping[str, object], *, memory: Path) -> dict[str, object]:
    """The flat configuration of one run."""
    private = setting.epsilon is not None
    flat: dict[str, object] = {
        **without_masks(read_preset("demo")),
        "data.users": 6 * setting.cohort if private else 500,
        "data.pairs-per-user": 2,
        "adapter.method": setting.method,
        "adapter.rank": 2 if private else 4,
        "federation.cohort-size": setting.cohort,
        "federation.rounds": 6 if private else 5,
        "evaluation.users": 100,
        "evaluation.seen-users": 100,
        "evaluation.questions": 1,
        "evaluation.pairs-per-user": 2,
        "evaluation.temperature": 0.0,
    }
    if private:
        flat |= {"run.epsilon": setting.epsilon, "privacy.delta": round((6 * setting.cohort) ** -1.1, 10)}
    else:
        # Several local steps, and the mean itself: models are averaged, not directions.
        flat |= {
            "training.local-steps": 3,
            "training.optimizer": "adam",
            "training.learning-rate": _RATES.get(setting.method, _RATE),
            "federation.clipping-norm": 8.0,
            "federation.server-learning-rate": 1.0,
            "federation.sampling": "random",
        }
        flat = {key: value for key, value in flat.items() if not key.startswith(("user-privacy.", "privacy."))}
        flat.pop("run.epsilon", None)
        if setting.method in _PERSONAL and setting.cohort == _PERSONAL_COHORT:
            flat["evaluation.personal-users"] = _PERSONAL_USERS
    flat |= {**(_PRIVATE_OWN if private else _OWN).get(setting.method, {}), **changes}
    seeds = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed")
    return {**flat, **dict.fromkeys(seeds, seed), "run.memory": str(memory), "run.processes": 1}


def run_comparison(sweep: Sweep, settings: Sequence[Setting]) -> dict[str, object]:
    """Runs every setting with every seed, and writes `methods.json`.

    Raises:
        ConfigError, ReleaseError: as runs raise them. Finished runs stand.
    """
    return sweep.run(
        {setting.name: partial(setting_config, setting) for setting in settings},
        collect=lambda: collect(sweep.directory, settings=settings, seeds=sweep.seeds),
        result=RESULT_FILE,
    )


def collect(directory: Path, *, settings: Sequence[Setting], seeds: Sequence[int]) -> dict[str, object]:
    """What the finished runs below a directory say: a table row a setting.

    Raises:
        ConfigError: no run is finished there.
    """
    rows = []
    for setting in settings:
        paths = {seed: directory / f"{setting.name}-{seed}" for seed in seeds}
        summaries = {seed: summary for seed, path in paths.items() if (summary := RunFiles(path).read_summary())}
        if summaries:
            rows.append(_row(setting, summaries, {seed: read_rounds(paths[seed]) for seed in summaries}))
    if not rows:
        raise ConfigError(f"{directory} holds no finished run of these")
    return {"rows": rows}


def _row(
    setting: Setting, summaries: Mapping[int, Mapping[str, object]], rounds: Mapping[int, Sequence[RoundRecord]]
) -> dict[str, object]:
    first = next(iter(summaries.values()))
    federation, privacy = _part(first, "federation"), _part(first, "privacy")
    records = [record for of_seed in rounds.values() for record in of_seed]
    errors = [record.aggregation_error for record in records if record.aggregation_error is not None]
    return {
        "setting": asdict(setting),
        "title": METHODS[setting.method].title,
        "git_commit": first["git_commit"],
        "rank": _part(first, "federation").get("rank"),
        "shared_parameters": federation["shared_parameters"],
        "bytes_up": federation["bytes_up_per_device_round"],
        "bytes_down": federation["bytes_down_per_device_round"],
        "noise_norm_over_clipping": privacy["noise_norm_over_clipping"],
        "guarantee": privacy["user"],
        "aggregation_error": statistics.fmean(errors) if errors else None,
        "aggregation_seconds": statistics.median(record.aggregation_seconds for record in records),
        "seeds": list(summaries),
        "reporting_users": _part(first, "data")["users_test"],
        "figures": figures_over_seeds(list(summaries.values()), _FIGURES),
    }


def _part(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", values[key])
