"""A sweep's directory: what was asked for, the runs, and what came of them.

sweep.json      the command, the cells with what varies in them, and the seeds; written before anything runs
CELL-SEED/      a run's directory like any other
memory/         what the base model answered, which runs of one seed share
sweep.csv       `simulations.sweeps.table`, of the runs that are finished; sweep.parquet is the same
report.html     of `tacit-sim report`, with plots/
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from server.releases import ReleaseError
from server.whole_files import write_whole
from shared.flat_config import Scalar
from simulations.run.directory import RunFiles
from simulations.sweeps.definition import SweepDefinition
from simulations.sweeps.table import Row, run_rows, write_table

SWEEP_FILE = "sweep.json"


@dataclass(frozen=True, kw_only=True)
class SweptRun:
    """A run that a sweep wants.

    Attributes:
        cell, seed, swept: which.
        path: its directory.
        summary: its figures; None until it is finished.
    """

    cell: str
    seed: int
    swept: Mapping[str, Scalar]
    path: Path
    summary: Mapping[str, object] | None


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """Attributes:
    command: that began it, or went on with it last.
    cells: name → what varies.
    seeds: of every cell.
    """

    command: str
    cells: Mapping[str, Mapping[str, Scalar]]
    seeds: tuple[int, ...]


def is_sweep(directory: Path) -> bool:
    """Whether a sweep was begun there."""
    return (directory / SWEEP_FILE).is_file()


def begin_sweep(directory: Path, definition: SweepDefinition, *, command: str) -> SweepRecord:
    """Writes what is asked for; cells and seeds that were asked for before stay in the record.

    Raises:
        ReleaseError: the directory holds something else.
    """
    cells: dict[str, Mapping[str, Scalar]] = {}
    seeds: list[int] = []
    if is_sweep(directory):
        before = read_sweep_record(directory)
        cells, seeds = dict(before.cells), list(before.seeds)
    elif directory.is_dir() and any(directory.iterdir()):
        raise ReleaseError(f"{directory} is not empty and holds no sweep: name another directory")
    cells |= {name: cell.swept for name, cell in definition.cells.items()}
    seeds += [seed for seed in definition.seeds if seed not in seeds]
    record = SweepRecord(command=command, cells=cells, seeds=tuple(seeds))
    directory.mkdir(parents=True, exist_ok=True)
    said = {"command": command, **record_json(record)}
    write_whole(directory / SWEEP_FILE, (json.dumps(said, indent=1, allow_nan=False) + "\n").encode())
    return record


def record_json(record: SweepRecord) -> dict[str, object]:
    """As `sweep.json` has it, but for the command."""
    return {
        "seeds": list(record.seeds),
        # JSON knows no infinity.
        "cells": {
            name: {key: "inf" if value == math.inf else value for key, value in swept.items()}
            for name, swept in record.cells.items()
        },
    }


def read_sweep_record(directory: Path) -> SweepRecord:
    """Raises: ReleaseError: no sweep stands there, or its record is damaged."""
    try:
        said = json.loads((directory / SWEEP_FILE).read_text(encoding="utf-8"))
        cells = cast("Mapping[str, Mapping[str, Scalar]]", said["cells"])
        return SweepRecord(
            command=str(said["command"]),
            cells={name: {k: math.inf if v == "inf" else v for k, v in swept.items()} for name, swept in cells.items()},
            seeds=tuple(int(seed) for seed in said["seeds"]),
        )
    except FileNotFoundError:
        raise ReleaseError(f"{directory} holds no sweep") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ReleaseError(f"{directory / SWEEP_FILE} is damaged") from None


def swept_runs(directory: Path) -> tuple[SweptRun, ...]:
    """Every run of a sweep, cell by cell, finished or not. Raises: ReleaseError: as `read_sweep_record`."""
    record = read_sweep_record(directory)
    return tuple(
        SweptRun(
            cell=name,
            seed=seed,
            swept=swept,
            path=directory / f"{name}-{seed}",
            summary=RunFiles(directory / f"{name}-{seed}").read_summary(),
        )
        for name, swept in record.cells.items()
        for seed in record.seeds
    )


def write_sweep_table(directory: Path) -> tuple[Path, ...]:
    """Writes the table of the runs that are finished. Raises: ReleaseError: as `read_sweep_record`."""
    rows: list[Row] = []
    for run in swept_runs(directory):
        if run.summary is not None:
            rows += run_rows(run.summary, cell=run.cell, seed=run.seed, swept=run.swept)
    return write_table(directory, rows)
