"""Attacks against the server's means on the embedded world: what holds against what.

Every run trains without privacy, where any mean can be taken; a seed changes users, cohorts, adapter and attackers, and
the held-out users of one seed are the same for every row. Every run is a run's directory like any other, and one that
is finished is not run again.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast, get_args

from shared.flat_config import ConfigError, field_hints
from shared.plan_terms import ServerStepTerms
from simulations.attacks.config import ATTACKS, AttackKind
from simulations.run.config import read_preset, without_masks
from simulations.run.directory import RunFiles
from simulations.run.many import Sweep

RESULT_FILE = "poisoning.json"
MEANS: tuple[str, ...] = get_args(field_hints(ServerStepTerms)["mean"])
# Krum's step is one device's update, as long as C, where a mean or median of twenty that differ is a quarter of that:
# with the others' server learning rate it diverges, attacked or not.
_OF_MEAN: Mapping[str, Mapping[str, object]] = {"krum": {"federation.server-learning-rate": 2.0}}
_FIGURES = (
    ("own", "win_rate_greedy", "own_persona"),
    ("none", "win_rate_greedy", "no_persona"),
    ("fit", "style_fit_greedy", "own_persona"),
    ("worst_decile", "style_fit_worst_decile_greedy", "own_persona"),
    ("worst_decile_of_base", "style_fit_worst_decile_greedy", "base"),
    ("coherent", "coherent_greedy", "own_persona"),
    ("pair_accuracy", "pair_accuracy", "own_persona"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting: what attackers do, and which mean the server takes."""

    attack: AttackKind
    mean: str

    @property
    def name(self) -> str:
        """As its directories are called."""
        return f"{self.attack}-against-{self.mean}"


def rows_of(attacks: Sequence[str], means: Sequence[str]) -> tuple[Row, ...]:
    """Every attack against every mean.

    Raises:
        ConfigError: there is no such attack or mean.
    """
    for kind, names, known in (("attack", attacks, ATTACKS), ("mean", means, MEANS)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(f"there is no {kind} {unknown[0]!r}: there are {', '.join(known)}")
    return tuple(Row(attack=cast(AttackKind, attack), mean=mean) for attack in attacks for mean in means)


def row_config(row: Row, seed: int, changes: Mapping[str, object], *, memory: Path) -> dict[str, object]:
    """The flat configuration of one run."""
    flat: dict[str, object] = {
        key: value
        for key, value in without_masks(read_preset("demo")).items()
        if not key.startswith("user-privacy.") and key not in ("run.epsilon", "privacy.unit")
    }
    flat |= {
        "data.users": 200,
        "federation.cohort-size": 20,
        # Rounds enough for a fifth of the devices to open a backdoor against the plain mean.
        "federation.rounds": 9,
        "federation.minimum-replies": 10,
        "evaluation.users": 64,
        "evaluation.seen-users": 0,
        "evaluation.questions": 1,
        "evaluation.pairs-per-user": 2,
        "evaluation.temperature": 0.0,
        "attack.share": 0.2,
        # Above the share of all devices: some cohorts have more attackers than that.
        "server-step.liars": 0.3,
        **_OF_MEAN.get(row.mean, {}),
        **changes,
        "attack.kind": row.attack,
        "server-step.mean": row.mean,
    }
    seeds = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed", "attack.seed")
    return {**flat, **dict.fromkeys(seeds, seed), "run.memory": str(memory), "run.processes": 1}


def run_grid(sweep: Sweep, rows: Sequence[Row]) -> dict[str, object]:
    """Runs every row with every seed, and writes `poisoning.json`.

    Raises:
        ConfigError, ReleaseError: as runs raise them. Finished runs stand.
    """
    return sweep.run(
        {row.name: partial(row_config, row) for row in rows},
        collect=lambda: collect(sweep.directory, rows=rows, seeds=sweep.seeds),
        result=RESULT_FILE,
        first=1,
    )


def collect(directory: Path, *, rows: Sequence[Row], seeds: Sequence[int]) -> dict[str, object]:
    """What the finished runs below a directory say: a table row a setting.

    Raises:
        ConfigError: no run is finished there.
    """
    found: list[dict[str, object]] = []
    for row in rows:
        read = {seed: RunFiles(directory / f"{row.name}-{seed}").read_summary() for seed in seeds}
        mine = {seed: summary for seed, summary in read.items() if summary is not None}
        if mine:
            found.append(_row(row, mine))
    if not found:
        raise ConfigError(f"{directory} holds no finished run of these")
    return {"rows": found}


def _row(row: Row, mine: Mapping[int, Mapping[str, object]]) -> dict[str, object]:
    first = next(iter(mine.values()))
    attacks = [cast("Mapping[str, object] | None", summary["attack"]) for summary in mine.values()]
    figures: dict[str, object] = {}
    for name, metric, column in _FIGURES:
        parts = [_part(_part(summary, "utility"), metric) for summary in mine.values()]
        values = [cast(float, part[column]) for part in parts]
        intervals = [part["ci95"] for part in parts] if column == "own_persona" else []
        figures[name] = {"mean": statistics.fmean(values), "values": values, "ci95": intervals}
    return {
        "attack": row.attack,
        "mean": row.mean,
        "git_commit": first["git_commit"],
        "users": _part(first, "data")["users_train"],
        "reporting_users": _part(first, "data")["users_test"],
        "cohort": _part(first, "federation")["cohort"],
        "rounds": _part(first, "federation")["rounds"],
        "seeds": list(mine),
        "figures": figures,
        "attacking_devices": [0 if attack is None else attack["devices"] for attack in attacks],
        "refused": [summary["refused"] for summary in mine.values()],
        "backdoor": [attack["success"] for attack in attacks if attack is not None and "success" in attack],
    }


def _part(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", values[key])
