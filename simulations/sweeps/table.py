"""The tidy table of a sweep: a row for each figure of each finished run, what varied as columns. CSV, and Parquet where
pyarrow is installed.

Figures, counts and costs only; `epsilon_server` is `inf` where nothing is promised.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from server.whole_files import write_whole
from simulations.run.figure_rows import figure_rows

CSV_FILE, PARQUET_FILE = "sweep.csv", "sweep.parquet"
Value = str | int | float | bool | None
Row = dict[str, Value]
_FEDERATION = {
    "cohort": "cohort", "rounds": "rounds", "method": "method", "rank": "rank",
    "shared_parameters": "shared_parameters", "bytes_up": "bytes_up_per_device_round",
    "bytes_down": "bytes_down_per_device_round",
}  # fmt: skip


def run_rows(summary: Mapping[str, object], *, cell: str, seed: int, swept: Mapping[str, Value]) -> list[Row]:
    """The rows of one finished run."""
    privacy, federation, cost, data = (_part(summary, key) for key in ("privacy", "federation", "cost", "data"))
    user, pair = privacy.get("user"), privacy.get("pair")
    stated = cast("Mapping[str, object] | None", user or pair)
    common: Row = {
        "cell": cell,
        "seed": seed,
        **swept,
        "unit": "none" if stated is None else "both" if user and pair else cast(str, stated["unit"]),
        "epsilon_server": math.inf if stated is None else cast(float, stated["epsilon_server"]),
        "epsilon_model_observer": math.inf if stated is None else cast(float, stated["epsilon_model_observer"]),
        "pair_epsilon_server": cast(float, cast("Mapping[str, object]", pair)["epsilon_server"]) if pair else math.inf,
        "delta": None if stated is None else cast(float, stated["delta"]),
        "server_is_trusted": None if stated is None else cast(bool, stated["server_is_trusted"]),
        "mechanism": None if stated is None else cast(str, stated["mechanism"]),
        "noise_norm_over_clipping": cast(float, privacy["noise_norm_over_clipping"]),
        "users_train": cast(int, data["users_train"]),
        **{name: cast(Value, federation.get(key)) for name, key in _FEDERATION.items()},
    }
    costs: Row = {
        name: cast(Value, cost.get(name)) for name in ("wall_seconds", "device_seconds_median", "peak_rss_bytes")
    }
    return [
        {
            **common,
            "metric": row.metric,
            "column": row.column,
            "value": row.value,
            "ci_low": row.low,
            "ci_high": row.high,
            "n": row.users,
            **costs,
            "git_commit": cast(Value, summary.get("git_commit")),
        }
        for row in figure_rows(summary)
    ]


def write_table(directory: Path, rows: Sequence[Row]) -> tuple[Path, ...]:
    """Writes `sweep.csv` and, where pyarrow is installed, `sweep.parquet`; returns what was written."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: row.get(name) for name in columns} for row in rows])
    write_whole(directory / CSV_FILE, text.getvalue().encode())
    written = [directory / CSV_FILE]
    if importlib.util.find_spec("pyarrow") is None:
        return tuple(written)
    # By name: it comes without types.
    pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    arrays = {name: _one_kind([row.get(name) for row in rows]) for name in columns}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink)
    write_whole(directory / PARQUET_FILE, sink.getvalue().to_pybytes())
    return (*written, directory / PARQUET_FILE)


def _one_kind(values: Sequence[Value]) -> list[Value]:
    """A column of Parquet has one type: numbers are floats if one of them is, and anything else mixed is text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and float in kinds:
        return [None if value is None else float(value) for value in values]
    return list(values) if len(kinds) <= 1 else [None if value is None else str(value) for value in values]


def _part(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", values[key])
