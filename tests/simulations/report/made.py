"""Finished runs' directories as runs leave them, with figures that a test chooses: what a report reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.round_record import RoundRecord
from shared.privacy.guarantee import Guarantee
from simulations.evaluation.statistics import bootstrap_interval
from simulations.evaluation.worst_decile import worst_decile, worst_decile_interval
from simulations.run.by_round import RoundUtility, write_rounds_utility
from simulations.run.config import RunConfig

USERS, ROUNDS = 40, 3


def guarantee(epsilon: float, *, trusted: bool = False) -> Guarantee:
    """Of one user."""
    return Guarantee(
        unit="user", epsilon_server=epsilon, epsilon_model_observer=epsilon, delta=1e-5, server_is_trusted=trusted,
        mechanism="Skellam noise of the test", accountant="an accountant", neighbouring="zero-out",
        assumptions=("a device does what it says",),
    )  # fmt: skip


def make_run(
    path: Path,
    *,
    wins: NDArray[np.float64],
    other: NDArray[np.float64] | None = None,
    seed: int = 0,
    epsilon: float | None = None,
    example: str = "Bread rises.",
    command: str = "tacit-sim run --preset smoke",
    source: str = "embedded",
    **settings: object,
) -> Path:
    """A finished run whose users won so often; `settings` are keys with __ for their dot and _ for their hyphen."""
    path.mkdir(parents=True)
    flat: dict[str, object] = {
        "data.source": source,
        **({} if source == "embedded" else {"data.path": "x.jsonl"}),
        "evaluation.users": len(wins),
        "federation.seed": seed,
        "data.seed": seed,
        "federation.cohort-size": 5,
        "federation.sampling": "schedule",
        "data.users": 30,
        **({} if epsilon is None else {"run.epsilon": epsilon}),
        **{key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()},
    }
    (path / "config.toml").write_text(f"# {command}\n\n{RunConfig.from_flat(flat).to_toml()}", encoding="utf-8")
    others = np.full(len(wins), 0.5) if other is None else other
    fits = {"tuned": 4 * wins, "base": np.full(len(wins), 1.5)}
    results = [
        {"condition": name, "temperature": 0.0, "win": _figure(values)}
        for name, values in (("own", wins), ("none", others), ("other", others))
    ]
    shown = {"own_persona": wins.mean(), "no_persona": others.mean(), "other_persona": others.mean()}
    summary = {
        "tacit_version": "0.1.0",
        "git_commit": "0" * 40,
        "command": command,
        "seed": seed,
        "engine": "inline",
        "model": {"name": "tacit-tiny", "parameters": 1_000_000},
        "data": {"source": source, "users_train": 30, "users_test": len(wins), "pairs": 60},
        "federation": {
            "rounds": ROUNDS, "cohort": 5, "method": "ffa-lora", "rank": 2, "shared_parameters": 13440,
            "bytes_up_per_device_round": 54_000, "bytes_down_per_device_round": 57_000,
        },
        "privacy": {
            "user": None if epsilon is None else guarantee(epsilon).as_json(),
            "pair": None,
            "noise_norm_over_clipping": 0.0 if epsilon is None else 0.4,
        },
        "utility": {
            "win_rate_greedy": {"base": 0.5, "tuned": wins.mean(), **shown, "ci95": _interval(wins)},
            "style_fit_worst_decile_greedy": {
                "base": 1.5, "tuned": worst_decile(fits["tuned"]), "own_persona": worst_decile(fits["tuned"]),
                "ci95": list(worst_decile_interval(fits["tuned"], seed=0)),
            },
        },
        "not_measured": None,
        "details": {
            "replies": {
                "results": results,
                "wins": {"0.0": {"own": list(wins), "none": list(others), "other": list(others)}},
                "fits": {"0.0": {name: list(values) for name, values in fits.items()}},
                "examples": [["How does bread rise?", "Likes it short.", "By yeast.", example]],
            }
        },
        "cost": {
            "wall_seconds": 12.5, "resumed_after_round": None, "rounds_seconds": 9.0, "device_seconds_median": 0.2,
            "peak_rss_bytes": 600_000_000,
        },
        "refused": 0,
        "dropouts": 0,
    }  # fmt: skip
    (path / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    records = [
        RoundRecord(
            round_number=number, rounds=ROUNDS, attempts=1, cohort=5, replies=5, no_pairs=0, failures=(),
            seconds=2.0 + number, bytes_down=57_000, bytes_up=54_000, step_norm=1.0, aggregation_seconds=0.01,
        )
        for number in range(1, ROUNDS + 1)
    ]  # fmt: skip
    (path / "rounds.jsonl").write_text("".join(record.to_json() + "\n" for record in records), encoding="utf-8")
    write_rounds_utility(path, [
        RoundUtility(round_number=number, users=8, own=0.5 + 0.1 * number, none=0.5, other=0.45, low=0.4, high=0.9,
                     coherent=1.0)
        for number in range(1, ROUNDS + 1)
    ])  # fmt: skip
    return path


def make_sweep(directory: Path, *, seeds: int = 2, generator: int = 7) -> Path:
    """Without noise and at two ε, some seeds each."""
    random = np.random.default_rng(generator)
    cells: dict[str, dict[str, object]] = {}
    for name, epsilon, rate in (("none", None, 0.8), ("epsilon-4", 4.0, 0.78), ("epsilon-1", 1.0, 0.6)):
        cells[name] = {"run.epsilon": "inf" if epsilon is None else epsilon}
        for seed in range(seeds):
            wins = random.choice([0.0, 0.5, 1.0], size=USERS, p=[1 - rate, 0.0, rate])
            make_run(directory / f"{name}-{seed}", wins=wins, seed=seed, epsilon=epsilon)
    said = {"command": "tacit-sim sweep made.toml --out made", "seeds": list(range(seeds)), "cells": cells}
    (directory / "sweep.json").write_text(json.dumps(said), encoding="utf-8")
    return directory


def add_audit(run: Path, **changes: object) -> None:
    """An audit's result as `audit.json` has it."""
    result: dict[str, object] = {
        "name": "canaries", "unit": "user", "observer": "the server, which sees sums", "claim": 4.0, "delta": 1e-5,
        "lower_bound": 1.259, "estimate": 1.9, "confidence": 0.95, "canaries": 1000, "verdict": "holds",
        "figures": {"right_guesses": 700, "interval": [0.1, 0.2], "masked": True}, "method": "one run",
        "limits": "a stronger attack may exist",
    }  # fmt: skip
    (run / "audit.json").write_text(json.dumps({"results": [{**result, **changes}]}), encoding="utf-8")


def _figure(values: NDArray[np.float64]) -> dict[str, float]:
    low, high = bootstrap_interval(values, seed=0)
    return {"value": float(values.mean()), "low": low, "high": high}


def _interval(values: NDArray[np.float64]) -> list[float]:
    return list(bootstrap_interval(values, seed=0))
