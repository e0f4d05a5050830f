"""Where a run's users come from, by name."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from shared.flat_config import ConfigError
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.mtbench import PAIRS_FILE, TIES_FILE, load_mtbench
from simulations.population.preference_jsonl import load_preference_jsonl
from simulations.population.realhumaneval import CONVERSATIONS_FILE, load_realhumaneval
from simulations.population.recorded import RecordedPopulation
from simulations.run.config import DataConfig

_EMBEDDED_USERS = 200
_LOADERS = {"mtbench-human": load_mtbench, "realhumaneval": load_realhumaneval, "jsonl": load_preference_jsonl}
_FILES = {"mtbench-human": (PAIRS_FILE, TIES_FILE), "realhumaneval": (CONVERSATIONS_FILE,), "jsonl": ()}


def load_population(data: DataConfig) -> tuple[EmbeddedPopulation | RecordedPopulation, DataConfig]:
    """The users who train, and the configuration with what was left open filled in.

    Raises:
        ConfigError: `data.path` does not hold the data, or other data than `data.sha256` says.
        PreferenceFileError: malformed lines, by file, line and field.
        OSError: a file cannot be read.
    """
    if data.source == "embedded":
        resolved = replace(data, users=data.users or _EMBEDDED_USERS)
        return (
            EmbeddedPopulation(seed=data.seed, users=data.users or _EMBEDDED_USERS, pairs_per_user=data.pairs_per_user),
            resolved,
        )
    path = Path(data.path or "")
    digest = _digest(data.source, path)
    if data.sha256 is not None and data.sha256 != digest:
        raise ConfigError(f"data.sha256: {path} holds other data than this run began with")
    population = _LOADERS[data.source](path)
    if data.users is not None:
        population = _some_users(population, data.users, data.seed)
    return population, replace(data, sha256=digest, users=len(population))


def _some_users(population: RecordedPopulation, count: int, seed: int) -> RecordedPopulation:
    if count > len(population):
        raise ConfigError(f"data.users: is {count}, and the data has {len(population)}")
    if count == len(population):
        return population
    drawn = np.random.default_rng(seed).choice(len(population), size=count, replace=False)
    kept = population.subset(users=[population.user_ids[place] for place in sorted(drawn.tolist())])
    not_drawn = {"users not drawn": len(population) - count}
    return replace(kept, left_out=population.left_out, read={**population.read, **not_drawn})


def _digest(source: str, path: Path) -> str:
    digest = hashlib.sha256()
    files = [path / name for name in _FILES[source]] or [path]
    for file in files:
        if not file.is_file():
            raise ConfigError(
                f"data.path: {file} is not a file"
                + (f" (source {source!r} takes the directory that holds it)" if _FILES[source] else "")
            )
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
