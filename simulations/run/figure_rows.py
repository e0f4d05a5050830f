"""A run's figures one by one, each with its interval and how many users it rests on: what tables are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, cast

Column = Literal["base", "own", "none", "other"]
COLUMNS: Mapping[Column, str] = {
    "base": "base", "own": "own_persona", "none": "no_persona", "other": "other_persona",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FigureRow:
    """Attributes:
    metric: of `utility`.
    column: the base model, or the tuned one by whose persona is stated; "own" also where there are no personas.
    value, low, high: with its 95 % interval over users, where there is one.
    users: that it rests on.
    """

    metric: str
    column: Column
    value: float
    low: float | None
    high: float | None
    users: int


def figure_rows(summary: Mapping[str, object]) -> Iterator[FigureRow]:
    """Every figure of `summary.json`'s `utility`."""
    utility = cast("Mapping[str, Mapping[str, object]]", summary.get("utility", {}))
    for metric, parts in utility.items():
        for column, key in COLUMNS.items():
            value = parts.get(key)
            if value is None and column == "own":
                value = parts.get("tuned")
            if isinstance(value, int | float):
                low, high = _interval(summary, metric, parts, column)
                yield FigureRow(
                    metric=metric, column=column, value=float(value), low=low, high=high, users=_users(summary, metric)
                )


def _interval(
    summary: Mapping[str, object], metric: str, parts: Mapping[str, object], column: Column
) -> tuple[float | None, float | None]:
    if column == "own":
        interval = cast("list[float] | None", parts.get("ci95"))
        return (None, None) if interval is None else (interval[0], interval[1])
    if metric == "win_rate_greedy" and column != "base":
        details = cast("Mapping[str, Mapping[str, list[Mapping[str, object]]]]", summary.get("details", {}))
        for result in details.get("replies", {}).get("results", []):
            if result["condition"] == column and result["temperature"] == 0:
                win = cast("Mapping[str, float]", result["win"])
                return win["low"], win["high"]
    return None, None


def _users(summary: Mapping[str, object], metric: str) -> int:
    details = cast("Mapping[str, Mapping[str, int]]", summary.get("details", {}))
    for name, ending in (("seen_users", "_seen_users"), ("strangers", "_strangers"), ("personal", "_of_newcomers")):
        if metric.endswith(ending) and name in details:
            return details[name]["users"]
    return cast("Mapping[str, int]", summary["data"])["users_test"]
