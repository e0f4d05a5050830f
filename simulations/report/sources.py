"""What a report is made of: finished runs, in groups that differ in their seed alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from server.releases import ReleaseError, read_rounds
from server.round_record import RoundRecord
from simulations.run.by_round import RoundUtility, read_rounds_utility
from simulations.run.directory import AUDIT_FILE, BASELINES_FILE, RunFiles
from simulations.sweeps.directory import is_sweep, read_sweep_record, swept_runs

Json = Mapping[str, object]
_SEEDS = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed", "rlhi.seed", "attack.seed")


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run's directory, read.

    Attributes:
        path: of it.
        seed: of the federation.
        summary: `summary.json`.
        config: flat keys.
        config_text: `config.toml` as it stands.
        rounds, rounds_utility: a record a round; the second where it was asked for.
        audits: of `audit.json`, as they stand there.
        baselines: rows of `baselines.json` by name, but for the run's own.
    """

    path: Path
    seed: int
    summary: Json
    config: Json
    config_text: str
    rounds: tuple[RoundRecord, ...]
    rounds_utility: tuple[RoundUtility, ...]
    audits: tuple[Json, ...]
    baselines: Mapping[str, Json]

    def utility(self, metric: str, column: str) -> float | None:
        """A figure of `summary.json`; None where it was not measured."""
        found = cast("Mapping[str, Mapping[str, object]]", self.summary["utility"]).get(metric, {}).get(column)
        return float(found) if isinstance(found, int | float) else None

    def of_users(self, kind: str, column: str) -> NDArray[np.float64] | None:
        """(users,) each held-out user's own "wins" or "fits", greedy; None where they are not kept."""
        found: object = self.summary.get("details")
        for key in ("replies", kind, "0.0", column):
            found = found.get(key) if isinstance(found, dict) else None
        return np.asarray(found, dtype=np.float64) if isinstance(found, list) and found else None

    @property
    def asked(self) -> tuple[object, ...]:
        """What must be alike for two runs to have asked the same users the same questions."""
        keys = [key for key in self.config if key.startswith("evaluation.") and key != "evaluation.by-round"]
        keys += ["data.source", "data.seed", "data.sha256", "data.users", "model.name"]
        if self.config.get("data.source") == "embedded":
            keys.remove("data.users")  # held-out users are others than those who train
        return tuple((key, self.config.get(key)) for key in sorted(keys))


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """Runs of one setting.

    Attributes:
        name: for readers.
        runs: a seed each, at least one.
    """

    name: str
    runs: tuple[FinishedRun, ...]

    @property
    def first(self) -> FinishedRun:
        """The one whose configuration stands for all."""
        return self.runs[0]

    def guarantee(self) -> Json | None:
        """What the setting promises per user, or else per pair, as its first run states it."""
        privacy = cast("Mapping[str, Json | None]", self.first.summary["privacy"])
        return privacy.get("user") or privacy.get("pair")

    @property
    def epsilon(self) -> float | None:
        """Against everyone who may know who took part when; None without privacy."""
        stated = self.guarantee()
        return None if stated is None else cast(float, stated["epsilon_server"])

    @property
    def kind(self) -> str:
        """What protects whom, shortly: a series of the frontier."""
        stated = self.guarantee()
        if stated is None:
            return "no privacy"
        where = "trusted server" if stated["server_is_trusted"] else "under masks"
        if stated["unit"] == "pair":
            return "pair, on the device"
        correlated = self.first.config.get("user-privacy.mechanism") == "banded-gaussian"
        return f"user, {'DP-FTRL, ' if correlated else ''}{where}"

    def values(self, metric: str, column: str) -> list[float]:
        """A figure of every run that has it."""
        found = [run.utility(metric, column) for run in self.runs]
        return [value for value in found if value is not None]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What one path of the command line holds.

    Attributes:
        path: of a run or a sweep.
        command: that made it.
        groups: its settings.
        missing: names of a sweep's runs that are not finished.
    """

    path: Path
    command: str
    groups: tuple[RunGroup, ...]
    missing: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[FinishedRun, ...]:
        """All of them."""
        return tuple(run for group in self.groups for run in group.runs)


def read_source(path: Path) -> Source:
    """A run's or a sweep's directory.

    Raises:
        ReleaseError: it is neither, nothing in it is finished, or a file is damaged.
        OSError: it cannot be read.
    """
    if is_sweep(path):
        wanted = swept_runs(path)
        finished: dict[str, list[FinishedRun]] = {}
        for one in wanted:
            if one.summary is not None:
                finished.setdefault(one.cell, []).append(read_finished(one.path))
        if not finished:
            raise ReleaseError(f"{path} holds no finished run: go on with its sweep")
        return Source(
            path=path,
            command=read_sweep_record(path).command,
            groups=tuple(RunGroup(name=name, runs=tuple(runs)) for name, runs in finished.items()),
            missing=tuple(f"{one.cell}, seed {one.seed}" for one in wanted if one.summary is None),
        )
    run = read_finished(path)
    name = path.name or path.resolve().name
    return Source(path=path, command=str(run.summary["command"]), groups=(RunGroup(name=name, runs=(run,)),))


def read_finished(path: Path) -> FinishedRun:
    """A finished run. Raises: ReleaseError: there is none, or a file is damaged; OSError."""
    files = RunFiles(path)
    summary = files.read_summary()
    if summary is None:
        raise ReleaseError(f"{path} holds no finished run and no sweep")
    try:
        config = files.read_config()
        rounds_utility = read_rounds_utility(path)
    except ValueError as error:
        raise ReleaseError(f"{path}: {error}") from None
    return FinishedRun(
        path=path,
        seed=cast(int, summary["seed"]),
        summary=summary,
        config=config.to_flat(),
        config_text=(path / "config.toml").read_text(encoding="utf-8"),
        rounds=read_rounds(path),
        rounds_utility=rounds_utility,
        audits=_read_audits(path / AUDIT_FILE),
        baselines=_read_baselines(path / BASELINES_FILE),
    )


def without_seeds(config: Json) -> dict[str, object]:
    """A configuration but for what a seed sets, so that runs of one setting are alike."""
    return {key: value for key, value in config.items() if key not in _SEEDS and key != "run.memory"}


def shown_name(path: Path, others: Sequence[Path]) -> str:
    """A path's last part, or more of it where another has the same."""
    name = path.resolve().name
    alike = [other for other in others if other != path and other.resolve().name == name]
    return f"{path.resolve().parent.name}/{name}" if alike else name


def slug(text: str) -> str:
    """As a file or an anchor can be called."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def _read_audits(file: Path) -> tuple[Json, ...]:
    if not file.exists():
        return ()
    try:
        results = json.loads(file.read_text(encoding="utf-8"))["results"]
    except (ValueError, KeyError, TypeError):
        raise ReleaseError(f"{file} is damaged: audit the run again") from None
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise ReleaseError(f"{file} is damaged: audit the run again")
    return tuple(results)


def _read_baselines(file: Path) -> dict[str, Json]:
    if not file.exists():
        return {}
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
        return {str(name): {**row, "utility": dict(row["utility"])} for name, row in rows.items() if name != "ours"}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ReleaseError(f"{file} is damaged: remove it, and measure the rows again") from None
