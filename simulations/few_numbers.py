"""How much is learned with few numbers shared, beside FFA-LoRA at rank 4: the same users and cohorts for all.

Under privacy the numbers shared are what noise grows with. Each setting is counted at the shape of a real model, too.
Every run is a run's directory like any other, and one that is finished is not run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np

from shared.adapter_methods import Method
from shared.flat_config import ConfigError
from simulations.evaluation.statistics import estimate_difference
from simulations.model_shapes import shared_numbers
from simulations.run.config import read_preset
from simulations.run.directory import RunFiles
from simulations.run.figures import figures_over_seeds, wins_of_users
from simulations.run.many import Sweep

RESULT_FILE = "few.json"
SHAPE = "qwen2.5-0.5b"
_FIGURES = (
    ("win_rate_greedy", "own_persona"),
    ("win_rate_greedy", "no_persona"),
    ("win_rate_greedy", "other_persona"),
    ("style_fit_worst_decile_greedy", "own_persona"),
    ("pair_accuracy", "own_persona"),
    ("coherent_greedy", "own_persona"),
    ("coherent_greedy", "no_persona"),
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """One row.

    Attributes:
        name: as its directories are called.
        title: for readers.
        method, rank, basis: of the adapter; alpha is twice the rank.
        step: the server's learning rate, among powers of two the best on two seeds of 96 tuning users; for the drawn
            basis on one, of 8 and 16.
        modules: adapted ones by name; None is all linear layers.
    """

    name: str
    title: str
    method: Method
    rank: int
    step: float
    basis: Literal["drawn", "weights"] = "drawn"
    modules: tuple[str, ...] | None = None


# The first is what the others are measured against.
SIZES: tuple[Size, ...] = (
    Size(name="ffa-4", title="FFA-LoRA, rank 4", method="ffa-lora", rank=4, step=16.0),
    Size(
        name="weights-10",
        title="Fed-SB, rank 10, basis of weights",
        method="fed-sb",
        rank=10,
        step=8.0,
        basis="weights",
    ),
    Size(name="drawn-10", title="Fed-SB, rank 10, basis drawn", method="fed-sb", rank=10, step=8.0),
)


def size_config(size: Size, seed: int, changes: Mapping[str, object], *, memory: Path) -> dict[str, object]:
    """The flat configuration of one run: 1,000 users, one clipped step in each of six rounds, no noise."""
    flat: dict[str, object] = {
        **read_preset("smoke"),
        "data.users": 1000,
        "federation.cohort-size": 100,
        "federation.rounds": 6,
        "federation.server-learning-rate": size.step,
        "evaluation.users": 200,
        "adapter.method": size.method,
        "adapter.rank": size.rank,
        "adapter.alpha": 2.0 * size.rank,
        "adapter.basis": size.basis,
        "adapter.target-modules": "all-linear" if size.modules is None else ",".join(size.modules),
        **changes,
    }
    seeds = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed")
    return {**flat, **dict.fromkeys(seeds, seed), "run.memory": str(memory), "run.processes": 1}


def run_few(sweep: Sweep, sizes: Sequence[Size]) -> dict[str, object]:
    """Runs every size with every seed, and writes `few.json`.

    Raises:
        ConfigError, ReleaseError: as runs raise them. Finished runs stand.
    """
    return sweep.run(
        {size.name: partial(size_config, size) for size in sizes},
        collect=lambda: collect(sweep.directory, sizes=sizes, seeds=sweep.seeds),
        result=RESULT_FILE,
    )


def collect(directory: Path, *, sizes: Sequence[Size], seeds: Sequence[int]) -> dict[str, object]:
    """What the finished runs below a directory say: a table row a size.

    Raises:
        ConfigError: no run is finished there.
    """
    finished = {
        (size, seed): summary
        for size in sizes
        for seed in seeds
        if (summary := RunFiles(directory / f"{size.name}-{seed}").read_summary()) is not None
    }
    if not finished:
        raise ConfigError(f"{directory} holds no finished run of these")
    return {"rows": [_row(size, seeds, finished) for size in sizes if any((size, seed) in finished for seed in seeds)]}


def _row(
    size: Size, seeds: Sequence[int], finished: Mapping[tuple[Size, int], Mapping[str, object]]
) -> dict[str, object]:
    mine = {seed: finished[size, seed] for seed in seeds if (size, seed) in finished}
    first = next(iter(mine.values()))
    found: dict[str, object] = {
        "size": asdict(size),
        "git_commit": first["git_commit"],
        "shared_parameters": cast("Mapping[str, object]", first["federation"])["shared_parameters"],
        "shared_at_shape": {SHAPE: shared_numbers(SHAPE, rank=size.rank, method=size.method, modules=size.modules).up},
        "seeds": list(mine),
        "reporting_users": cast("Mapping[str, object]", first["data"])["users_test"],
        "figures": figures_over_seeds(list(mine.values()), _FIGURES),
    }
    bar = SIZES[0]
    both = [seed for seed in mine if (bar, seed) in finished]
    if size != bar and both:
        # The held-out users of one seed are the same for every size: paired, what is peculiar to them cancels.
        wins = [np.array(wins_of_users(mine[seed])) for seed in both]
        others = [np.array(wins_of_users(finished[bar, seed])) for seed in both]
        difference = estimate_difference(np.concatenate(wins), np.concatenate(others), seed=0)
        by_seed = [float((own - other).mean()) for own, other in zip(wins, others, strict=True)]
        found["over_bar"] = {**asdict(difference), "by_seed": by_seed}
    return found
