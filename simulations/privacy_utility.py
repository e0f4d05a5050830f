"""Privacy against utility on the embedded world: user-level ε against what is left of the gain, in real cohorts.

Two federations, each without noise and at several ε, over several seeds. A seed changes users, cohorts and adapter; the
held-out users of one seed are the same for every ε, so that gains are compared user by user. Every run is a run's
directory like any other, and one that is finished is not run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

from shared.flat_config import ConfigError
from simulations.evaluation.retained_gain import retained_gain
from simulations.run.config import read_preset, without_masks
from simulations.run.directory import RunFiles
from simulations.run.figures import figures_over_seeds, wins_of_users
from simulations.run.many import Sweep

RESULT_FILE = "privacy_utility.json"
_BAR = 0.9
_FIGURES = (
    ("win_rate_greedy", "own_persona"),
    ("win_rate_greedy", "no_persona"),
    ("win_rate_greedy", "other_persona"),
    ("own_minus_other_win_rate_greedy", "tuned"),
    ("style_fit_worst_decile_greedy", "own_persona"),
    ("style_fit_worst_decile_greedy", "base"),
    ("pair_accuracy", "own_persona"),
    ("pair_accuracy", "base"),
    ("coherent_greedy", "own_persona"),
    ("coherent_greedy", "no_persona"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One setting.

    Attributes:
        federation: of `FEDERATIONS`.
        epsilon: per user, against everyone but the server; None adds no noise.
        mechanism: of the noise.
    """

    federation: str
    epsilon: float | None
    mechanism: str = "gaussian"

    @property
    def name(self) -> str:
        """As its directories are called."""
        noise = "none" if self.epsilon is None else str(self.epsilon).removesuffix(".0")
        return f"{self.federation}-{noise}" + ("" if self.mechanism == "gaussian" else "-ftrl")


# δ = N^-1.1 in both. Cohorts are as large as two cores can train in minutes; all of them are real devices.
FEDERATIONS: dict[str, dict[str, object]] = {
    "10k": {"data.users": 10_000, "federation.cohort-size": 800, "privacy.delta": 3.98e-5},
    "1k": {
        "data.users": 1_000,
        "federation.cohort-size": 333,
        "user-privacy.participations": 2,
        "privacy.delta": 5.01e-4,
    },
}
ROWS: tuple[Row, ...] = (
    Row(federation="1k", epsilon=None),
    Row(federation="1k", epsilon=4.0),
    Row(federation="10k", epsilon=None),
    Row(federation="10k", epsilon=1.0),
    Row(federation="1k", epsilon=8.0),
    Row(federation="10k", epsilon=4.0),
    Row(federation="10k", epsilon=1.0, mechanism="banded-gaussian"),
)


def row_config(row: Row, seed: int, changes: Mapping[str, object], *, memory: Path) -> dict[str, object]:
    """The flat configuration of one run."""
    flat: dict[str, object] = {
        **without_masks(read_preset("demo")),
        # Few rounds of large cohorts: for as many answers in all, a round's noise shrinks with the rounds.
        "federation.rounds": 6,
        # As far in 6 rounds as the demo's step goes in 12; rank and step were chosen on tuning users.
        "federation.server-learning-rate": 8.0,
        "federation.sampling": "schedule",
        "adapter.rank": 2,
        "data.pairs-per-user": 2,
        "evaluation.users": 1000,
        "evaluation.seen-users": 0,
        "evaluation.questions": 1,
        "evaluation.pairs-per-user": 1,
        "evaluation.temperature": 0.0,
        **FEDERATIONS[row.federation],
        **changes,
    }
    for key in ("run.epsilon", "privacy.unit"):
        flat.pop(key, None)
    if row.epsilon is None:
        flat = {key: value for key, value in flat.items() if not key.startswith("user-privacy.")}
    else:
        flat |= {"run.epsilon": row.epsilon, "user-privacy.mechanism": row.mechanism}
    if row.mechanism == "banded-gaussian":
        # A device's participations lie a walk round all devices apart.
        users, cohort = cast(int, flat["data.users"]), cast(int, flat["federation.cohort-size"])
        apart = min(users // cohort, cast(int, flat["federation.rounds"]))
        flat |= {"user-privacy.separation": apart, "federation.attempts": 1}
    seeds = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed")
    return {**flat, **dict.fromkeys(seeds, seed), "run.memory": str(memory), "run.processes": 1}


def run_privacy_utility(sweep: Sweep, rows: Sequence[Row]) -> dict[str, object]:
    """Runs every row with every seed, and writes `privacy_utility.json`.

    Raises:
        ConfigError, ReleaseError: as runs raise them. Finished runs stand.
    """
    return sweep.run(
        {row.name: partial(row_config, row) for row in rows},
        collect=lambda: collect(sweep.directory, rows=rows, seeds=sweep.seeds),
        result=RESULT_FILE,
    )


def collect(directory: Path, *, rows: Sequence[Row], seeds: Sequence[int]) -> dict[str, object]:
    """What the finished runs below a directory say: a table row a setting.

    Raises:
        ConfigError: no run is finished there.
    """
    summaries = {
        (row, seed): summary
        for row in rows
        for seed in seeds
        if (summary := RunFiles(directory / f"{row.name}-{seed}").read_summary()) is not None
    }
    if not summaries:
        raise ConfigError(f"{directory} holds no finished run of these")
    return {"rows": [_row(row, seeds, summaries) for row in rows if any((row, seed) in summaries for seed in seeds)]}


def _row(
    row: Row, seeds: Sequence[int], summaries: Mapping[tuple[Row, int], Mapping[str, object]]
) -> dict[str, object]:
    mine = {seed: summaries[row, seed] for seed in seeds if (row, seed) in summaries}
    first = next(iter(mine.values()))
    privacy, federation = _part(first, "privacy"), _part(first, "federation")
    found: dict[str, object] = {
        "row": asdict(row),
        "git_commit": first["git_commit"],
        "users": _part(first, "data")["users_train"],
        "cohort": federation["cohort"],
        "rounds": federation["rounds"],
        "shared_parameters": federation["shared_parameters"],
        "noise_norm_over_clipping": privacy["noise_norm_over_clipping"],
        "guarantee": privacy["user"],
        "seeds": list(mine),
        "reporting_users": _part(first, "data")["users_test"],
        "figures": figures_over_seeds(list(mine.values()), _FIGURES),
    }
    plain = Row(federation=row.federation, epsilon=None)
    both = [seed for seed in mine if (plain, seed) in summaries]
    if row.epsilon is not None and both:
        wins, without = (
            [wins_of_users(mine[seed]) for seed in both],
            [wins_of_users(summaries[plain, seed]) for seed in both],
        )
        try:
            kept = retained_gain(wins, without, seed=0)
        except ValueError as error:
            found["not_compared"] = str(error)
        else:
            found["retained_gain"] = {**asdict(kept), "bar": _BAR, "verdict": kept.verdict(_BAR)}
    return found


def _part(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", values[key])
