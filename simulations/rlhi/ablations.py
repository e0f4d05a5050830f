"""The paper's ablations, as runs that differ from one configuration in one thing each, over several seeds.

A seed changes users, sampling, cohorts and adapter. Runs of one seed share what the base model was asked before
(`simulations.rlhi.memory`). Every run is a run's directory like any other; one that is finished is not run again.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from server.whole_files import write_whole
from shared.flat_config import ConfigError
from simulations.run.config import RunConfig, read_preset
from simulations.run.directory import RunFiles
from simulations.run.many import Job, run_many

FULL = "full"
_HEAVY = 10


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Attributes:
    shown: what it is, in a table.
    changes: flat keys.
    paper: what the paper reports of the like, or "".
    """

    shown: str
    changes: Mapping[str, object]
    paper: str = ""


VARIANTS: dict[str, Variant] = {
    FULL: Variant(shown="rewrites and rewards, own persona", changes={}),
    "rewrites": Variant(
        shown="user-guided rewrites alone", changes={"rlhi.rewards": 0}, paper="62.5 % personalization win rate"
    ),
    "rewards": Variant(
        shown="user-based rewards alone", changes={"rlhi.rewrites": 0}, paper="61.0 % personalization win rate"
    ),
    "from-scratch": Variant(
        shown="redone without the feedback",
        changes={"rlhi.rewards": 0, "rlhi.rewrite-mode": "from-scratch"},
        paper="with feedback beats it in 60.4 %",
    ),
    "user-agnostic": Variant(
        shown="rewards that know no persona", changes={"rlhi.rewrites": 0, "rlhi.reward-knows-persona": False}
    ),
    "world-reward": Variant(
        shown="rewards by the rule that also scores (circular)", changes={"rlhi.rewrites": 0, "rlhi.reward": "world"}
    ),
    "no-filter": Variant(
        shown="no quality filter", changes={"rlhi.filter": False}, paper="filter +23.4 points, none +2.5"
    ),
    "sft": Variant(shown="SFT on the chosen replies", changes={"training.objective": "sft"}, paper="RL beats SFT"),
    "no-persona": Variant(shown="trained without personas", changes={"rlhi.trained-persona": "none"}),
    "other-persona": Variant(shown="trained under other users' personas", changes={"rlhi.trained-persona": "other"}),
    "given-personas": Variant(shown="the world's own personas", changes={"rlhi.personas": "given"}),
    "few-heavy": Variant(shown="a tenth of the users, ten times the pairs", changes={}, paper="1,268 users beat 10"),
}


def variant_config(name: str, seed: int, base: Mapping[str, object], *, memory: Path) -> dict[str, object]:
    """The flat configuration of one run.

    Raises:
        ConfigError: there is no such variant.
    """
    if name not in VARIANTS:
        raise ConfigError(f"there is no variant {name!r}: there are {', '.join(VARIANTS)}")
    flat = {**base, **VARIANTS[name].changes}
    if name == "few-heavy":
        full = RunConfig.from_flat(base)
        users = full.data.users or 200
        flat |= {
            "data.users": max(2, users // _HEAVY),
            "rlhi.history": _HEAVY * full.rlhi.history,
            "rlhi.rewrites": _HEAVY * full.rlhi.rewrites,
            "rlhi.rewards": _HEAVY * full.rlhi.rewards,
            # In a round a device uses as many pairs as one of the many: equal pairs, fewer people.
            "training.max-pairs": full.rlhi.rewrites + full.rlhi.rewards,
        }
    seeds = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed", "rlhi.seed")
    return {**flat, **dict.fromkeys(seeds, seed), "run.memory": str(memory), "run.processes": 1}


def run_ablations(
    directory: Path,
    *,
    names: Sequence[str],
    seeds: Sequence[int],
    changes: Mapping[str, object],
    processes: int,
    command: str,
    progress: Callable[[int, int, str], None] = lambda _done, _all, _name: None,
) -> dict[str, object]:
    """Runs every variant with every seed below `directory`, and writes `ablations.json` there.

    Args:
        changes: flat keys over the preset `rlhi`, for all variants.
        processes: runs side by side, one thread each.
        progress: told (runs done, runs in all, the run that has ended).

    Returns:
        what `ablations.json` holds.

    Raises:
        ConfigError, ReleaseError: as runs raise them.
    """
    base = {**read_preset("rlhi"), **changes}
    # Seed after seed: what is stopped early has whole tables. What a seed's runs share is made by its first.
    wanted = [(name, seed) for name in names[:1] for seed in seeds]
    wanted += [(name, seed) for seed in seeds for name in names[1:]]
    directory.mkdir(parents=True, exist_ok=True)
    jobs = [
        Job(
            name=f"{name}, seed {seed}",
            flat=variant_config(name, seed, base, memory=directory / "memory"),
            path=_path(directory, name, seed),
        )
        for name, seed in wanted
    ]
    run_many(jobs, processes=processes, command=command, first=len(seeds), progress=progress)
    found = collect(directory, names=names, seeds=seeds)
    write_whole(directory / "ablations.json", (json.dumps(found, indent=1) + "\n").encode())
    return found


def collect(directory: Path, *, names: Sequence[str], seeds: Sequence[int]) -> dict[str, object]:
    """Variant → figure → its values over the seeds, with their mean."""
    table: dict[str, object] = {}
    for name in names:
        summaries = [RunFiles(_path(directory, name, seed)).read_summary() for seed in seeds]
        figures = [_figures(summary) for summary in summaries if summary is not None]
        table[name] = {
            "shown": VARIANTS[name].shown,
            "paper": VARIANTS[name].paper,
            "seeds": len(figures),
            "figures": {
                key: {"mean": statistics.fmean(values), "values": values}
                for key in (figures[0] if figures else {})
                if (values := [one[key] for one in figures])
            },
            "intervals": [_interval(summary) for summary in summaries if summary is not None],
        }
    return {"variants": table, "seeds": list(seeds)}


def _figures(summary: Mapping[str, object]) -> dict[str, float]:
    utility = cast("Mapping[str, Mapping[str, float]]", summary["utility"])
    found = {
        "pairs": cast("Mapping[str, float]", summary["data"])["pairs"],
        "own_minus_other": utility["own_minus_other_win_rate_greedy"]["tuned"],
        "style_fit_base": utility["style_fit_greedy"]["base"],
        "style_fit": utility["style_fit_greedy"]["own_persona"],
        "style_fit_worst_decile_base": utility["style_fit_worst_decile_greedy"]["base"],
        "style_fit_worst_decile": utility["style_fit_worst_decile_greedy"]["own_persona"],
        "pair_accuracy": utility["pair_accuracy"]["own_persona"],
    }
    for metric in ("win_rate_greedy", "win_rate_sampled", "coherent_greedy"):
        for condition in ("own", "no", "other"):
            if metric in utility:
                found[f"{metric}_{condition}"] = utility[metric][f"{condition}_persona"]
    return found


def _interval(summary: Mapping[str, object]) -> list[float]:
    return cast("Mapping[str, Mapping[str, list[float]]]", summary["utility"])["win_rate_greedy"]["ci95"]


def _path(directory: Path, name: str, seed: int) -> Path:
    return directory / f"{name}-{seed}"
