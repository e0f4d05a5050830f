"""`baselines.json` beside a run: its rows, each with the budget that it was made with.

Nothing here needs TRL: whoever has rows made elsewhere need not load it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from server.whole_files import write_whole
from shared.flat_config import ConfigError
from simulations.run.directory import BASELINES_FILE, RunFiles

Name = Literal["base", "local-only", "central-dpo", "central-sft", "feddpo", "ours"]
NAMES: tuple[Name, ...] = get_args(Name)
PAIRS = 3_000
RATES = (3e-3, 1e-2, 3e-2)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Attributes:
    pairs: of everyone's, that TRL trains on at most, drawn by the run's seed.
    epochs: over them.
    rates: learning rates to choose from; of recorded data the first is taken.
    local_users: held-out users of the embedded world who train alone.
    rounds: of the federation without privacy, at most; None is as many as the run had.
    """

    pairs: int = PAIRS
    epochs: int = 1
    rates: tuple[float, ...] = RATES
    local_users: int = 32
    rounds: int | None = None

    def to_json(self) -> dict[str, object]:
        """As it stands beside each row."""
        return {**asdict(self), "rates": list(self.rates)}


SMALL_BUDGET = Budget(pairs=64, rates=(1e-2,), local_users=4, rounds=1)
"""The small form: that everything is there, and not how good it is."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Attributes:
    about: what it is.
    seconds: that it took.
    utility: figures, as a run's own.
    """

    about: str
    seconds: float
    utility: Mapping[str, object]


class RowsFile:
    """The rows of one run. Every change is written whole at once."""

    def __init__(self, directory: Path, budget: Budget) -> None:
        """Raises: ConfigError: the file that is there is damaged."""
        self._path = directory / BASELINES_FILE
        self._budget = budget.to_json()
        self._rows = read_rows(directory)

    @property
    def rows(self) -> dict[str, dict[str, object]]:
        """By name, in the order of `NAMES`, of whatever budget."""
        return {name: self._rows[name] for name in NAMES if name in self._rows}

    def is_made(self, name: Name) -> bool:
        """Whether a row stands, with this budget."""
        row = self._rows.get(name)
        return row is not None and row["budget"] == self._budget

    def add(self, name: Name, row: Row) -> None:
        """Puts a row in the place of its like, and writes the file."""
        self._rows[name] = {**asdict(row), "budget": self._budget}
        write_whole(self._path, (json.dumps({"rows": self._rows}, indent=1) + "\n").encode())


def read_rows(directory: Path) -> dict[str, dict[str, object]]:
    """The rows that a run's directory has. Raises: ConfigError: the file is damaged."""
    file = directory / BASELINES_FILE
    if not file.exists():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["rows"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{file} is damaged: remove it, and the rows are made again") from None


def figures_of(directory: Path) -> Mapping[str, object]:
    """Figures of the run that rows stand beside. Raises: ConfigError: no finished run is there, or it has none."""
    summary = RunFiles(directory).read_summary()
    if summary is None or not summary.get("utility"):
        raise ConfigError(f"{directory} holds no finished run with figures: measure one with `tacit-sim run`")
    return cast("Mapping[str, object]", summary["utility"])
