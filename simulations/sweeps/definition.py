"""What a sweep is: a base configuration, settings that vary, and seeds; read from one TOML file.

    seeds = 3                                   # 0, 1, 2; or a list
    [base]
    preset = "demo"                             # of `tacit-sim run`; may be left out
    set = { "data.users" = 1000 }               # over it
    [grid]                                      # every value with every other
    "run.epsilon" = [inf, 4, 1]                 # inf: no noise and no promise
    "adapter.rank" = [2, 4]
    [[zip]]                                     # values that go together
    "data.users" = [100, 1000]
    "federation.cohort-size" = [10, 100]
    [[cells]]                                   # settings by name
    name = "trusted"
    "federation.aggregation" = "plain"
    [budget]
    memory-gib = 8
    processes = 2
    [smoke]                                     # what `--smoke` has otherwise
    seeds = 1
    set = { "data.users" = 60 }
    cells = ["trusted"]

Grid keys, each `[[zip]]` and the `[[cells]]` are axes, and a cell is a choice on each of them. Everything is checked
before anything runs: a key that nobody knows, and a cell that cannot be a run, are refused by name.
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from shared.flat_config import ConfigError, Scalar
from simulations.run.config import RunConfig, read_preset, without_masks
from simulations.run.expected_cost import Budget

SEED_KEYS = ("federation.seed", "adapter.seed", "data.seed", "evaluation.seed", "rlhi.seed", "attack.seed")
_TABLES = {"seeds", "base", "grid", "zip", "cells", "default-cells", "budget", "smoke"}
_BASE, _SMOKE, _BUDGET = {"preset", "set"}, {"seeds", "set", "cells"}, {"memory-gib", "run-gib", "processes"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One setting of everything that varies.

    Attributes:
        name: of its runs' directories.
        swept: the keys that vary, as they were written.
        flat: all keys of its runs, but seeds.
    """

    name: str
    swept: Mapping[str, Scalar]
    flat: Mapping[str, object]

    def config(self, seed: int, changes: Mapping[str, object], *, memory: Path) -> dict[str, object]:
        """Flat keys of one run: `simulations.run.many.RunConfigOf`."""
        flat = {**dict.fromkeys(SEED_KEYS, seed), "run.processes": 1, **self.flat, **changes}
        if flat.get("data.source", "embedded") == "embedded":
            flat.setdefault("run.memory", str(memory))
        return settled(flat)


@dataclass(frozen=True, kw_only=True)
class SweepDefinition:
    """Attributes:
    cells: by name.
    default_cells: those that run unless others are named.
    seeds: of every cell.
    budget: what all of it may take.
    smoke: the same sweep in small; None where it has none.
    """

    cells: Mapping[str, Cell]
    default_cells: tuple[str, ...]
    seeds: tuple[int, ...]
    budget: Budget = field(default_factory=Budget)
    smoke: SweepDefinition | None = None

    def only(self, names: Sequence[str]) -> SweepDefinition:
        """The same with these cells alone; "all" are all. Raises: ConfigError: there is no such cell."""
        wanted = list(self.cells) if list(names) == ["all"] else list(names)
        unknown = [name for name in wanted if name not in self.cells]
        if unknown:
            raise ConfigError(f"there is no cell {unknown[0]!r}: there are {', '.join(self.cells)}")
        return replace(self, cells={name: self.cells[name] for name in wanted}, default_cells=tuple(wanted))

    def check(self, changes: Mapping[str, object]) -> None:
        """Raises: ConfigError: a cell cannot be a run; it names the cell and the key."""
        for name, cell in self.cells.items():
            try:
                RunConfig.from_flat(cell.config(self.seeds[0], changes, memory=Path("memory")))
            except ConfigError as error:
                raise ConfigError(f"cell {name}: {error}") from None


def settled(flat: Mapping[str, object]) -> dict[str, object]:
    """A run's keys without what its choices leave no room for: without noise there are no terms of noise, and with
    plain aggregation none of masks."""
    kept = dict(flat)
    epsilon = kept.get("run.epsilon")
    if isinstance(epsilon, float) and math.isinf(epsilon):
        kept = {key: value for key, value in kept.items() if not key.startswith("user-privacy.")}
        del kept["run.epsilon"]
        unit = kept.pop("privacy.unit", "none")
        if unit in ("pair", "both"):
            kept["privacy.unit"] = "pair"
    return without_masks(kept) if kept.get("federation.aggregation") == "plain" else kept


def read_sweep(path: Path) -> SweepDefinition:
    """A sweep's file.

    Raises:
        ConfigError: it is not TOML, has an unknown key, or what it asks for is no sweep; it names the file.
        OSError: it cannot be read.
    """
    try:
        return parse_sweep(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_sweep(said: Mapping[str, object]) -> SweepDefinition:
    """A sweep of TOML's values. Raises: ConfigError: as `read_sweep`."""
    _refuse_unknown(said, _TABLES, "")
    base_table = _table(said, "base")
    _refuse_unknown(base_table, _BASE, "base.")
    preset = base_table.get("preset")
    base: dict[str, object] = {} if preset is None else read_preset(_text(preset, "base.preset"))
    base |= _flat(_table(base_table, "set", "base."), "base.set")
    axes = _axes(said)
    cells = _cells(axes, base)
    default = tuple(cells) if "default-cells" not in said else _names(said["default-cells"], "default-cells")
    whole = SweepDefinition(
        cells=cells, default_cells=default, seeds=_seeds(said.get("seeds", 1), "seeds"), budget=_budget(said)
    )
    whole.only(default)
    if "smoke" not in said:
        return whole
    small = _table(said, "smoke")
    _refuse_unknown(small, _SMOKE, "smoke.")
    cells = _cells(axes, base, last=_flat(_table(small, "set", "smoke."), "smoke.set"))
    names = _names(small["cells"], "smoke.cells") if "cells" in small else default
    in_small = replace(whole, cells=cells, default_cells=names, seeds=_seeds(small.get("seeds", 1), "smoke.seeds"))
    in_small.only(names)
    return replace(whole, smoke=in_small)


Choice = tuple[str, dict[str, Scalar]]


def _axes(said: Mapping[str, object]) -> list[list[Choice]]:
    axes: list[list[Choice]] = []
    named = _tables(said, "cells")
    if named:
        axes.append([])
        for place, table in enumerate(named, start=1):
            name = _text(table.get("name"), f"cells {place}: name")
            axes[0].append(
                (_spelled(name), _scalars(_flat({k: v for k, v in table.items() if k != "name"}, name), name))
            )
    for key, values in _flat(_table(said, "grid"), "grid").items():
        axes.append([(_label(key, value), {key: value}) for value in _values(values, f"grid: {key}")])
    for place, table in enumerate(_tables(said, "zip"), start=1):
        columns = {key: _values(values, f"zip {place}: {key}") for key, values in _flat(table, f"zip {place}").items()}
        if len({len(values) for values in columns.values()}) != 1:
            raise ConfigError(f"zip {place}: all its keys must have equally many values")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        axes.append([("_".join(_label(key, value) for key, value in row.items()), row) for row in rows])
    return axes


def _cells(
    axes: Sequence[Sequence[Choice]], base: Mapping[str, object], *, last: Mapping[str, object] | None = None
) -> dict[str, Cell]:
    keys = [key for axis in axes for key in {key for _, changes in axis for key in changes}]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError(f"{twice[0]}: varies in two places")
    cells: dict[str, Cell] = {}
    for choices in itertools.product(*axes):
        swept = {key: value for _, changes in choices for key, value in changes.items()}
        name = "_".join(label for label, _ in choices) or "run"
        if name in cells:
            raise ConfigError(f"two cells are called {name!r}: give them names in [[cells]]")
        cells[name] = Cell(name=name, swept=swept, flat={**base, **swept, **(last or {})})
    if not cells:
        raise ConfigError("an axis has no values: there is nothing to run")
    return cells


def _label(key: str, value: Scalar) -> str:
    shown = f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
    return _spelled(f"{key.rsplit('.', 1)[1]}-{shown}")


def _spelled(name: str) -> str:
    """As a directory can be called anywhere."""
    found = re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.")
    if not found:
        raise ConfigError(f"{name!r} cannot be a cell's name: it needs a letter or a digit")
    return found


def _seeds(said: object, key: str) -> tuple[int, ...]:
    if isinstance(said, int) and not isinstance(said, bool) and said >= 1:
        return tuple(range(said))
    if isinstance(said, list) and said and all(type(seed) is int and seed >= 0 for seed in said):
        if len(set(said)) == len(said):
            return tuple(said)
        raise ConfigError(f"{key}: has a seed twice")
    raise ConfigError(f"{key}: must be a count of at least 1, or a list of seeds that are not negative")


def _budget(said: Mapping[str, object]) -> Budget:
    table = _table(said, "budget")
    _refuse_unknown(table, _BUDGET, "budget.")
    for key, value in table.items():
        whole = key == "processes"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise ConfigError(f"budget.{key}: must be {'an integer' if whole else 'a number'}")
    return Budget(**{key.replace("-", "_"): value for key, value in table.items()})  # type: ignore[arg-type]


def _flat(tables: Mapping[str, object], place: str) -> dict[str, object]:
    """`"data.users" = 1` and `data.users = 1` alike, which TOML reads as a table in a table."""
    flat: dict[str, object] = {}
    for key, value in tables.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        elif "." not in key:
            raise ConfigError(f"{place}: {key!r} is no key: they look like federation.rounds")
        else:
            flat[key] = value
    return flat


def _scalars(flat: Mapping[str, object], place: str) -> dict[str, Scalar]:
    for key, value in flat.items():
        if not isinstance(value, bool | int | float | str):
            raise ConfigError(f"{place}: {key}: must be a number, a string, true or false")
    return cast("dict[str, Scalar]", dict(flat))


def _values(said: object, place: str) -> list[Scalar]:
    if not isinstance(said, list) or not said:
        raise ConfigError(f"{place}: must be a list of values")
    return list(_scalars({str(at): value for at, value in enumerate(said)}, place).values())


def _table(said: Mapping[str, object], key: str, within: str = "") -> Mapping[str, object]:
    found = said.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{within}{key}: must be a table")
    return found


def _tables(said: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = said.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ConfigError(f"{key}: must be written as [[{key}]]")
    return found


def _names(said: object, key: str) -> tuple[str, ...]:
    if not isinstance(said, list) or not said or not all(isinstance(name, str) for name in said):
        raise ConfigError(f"{key}: must be a list of cells' names")
    return tuple(said)


def _text(said: object, key: str) -> str:
    if not isinstance(said, str) or not said:
        raise ConfigError(f"{key}: must be a string")
    return said


def _refuse_unknown(said: Mapping[str, object], known: set[str], within: str) -> None:
    unknown = sorted(set(said) - known)
    if unknown:
        raise ConfigError(f"unknown key {within}{unknown[0]!r}: known are {', '.join(sorted(known))}")
