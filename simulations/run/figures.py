"""Figures of a setting's finished runs, one value a seed."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import cast


def figures_over_seeds(
    summaries: Sequence[Mapping[str, object]], wanted: Sequence[tuple[str, str]]
) -> dict[str, dict[str, object]]:
    """`metric.column` → its mean, its values in the order of the summaries, and their intervals where they have one.

    Args:
        summaries: of runs, as `summary.json` holds them.
        wanted: (metric, column) of their `utility`. A metric that no run measured is left out.
    """
    found: dict[str, dict[str, object]] = {}
    utilities = [cast("Mapping[str, Mapping[str, object]]", one["utility"]) for one in summaries]
    for metric, column in wanted:
        parts = [utility[metric] for utility in utilities if metric in utility]
        if parts:
            values = [cast(float, part[column]) for part in parts]
            # An interval is of the tuned model under the own persona.
            intervals = [part["ci95"] for part in parts] if column in ("own_persona", "tuned") else []
            found[f"{metric}.{column}"] = {"mean": statistics.fmean(values), "values": values, "ci95": intervals}
    return found


def wins_of_users(summary: Mapping[str, object]) -> list[float]:
    """Each held-out user's own win, greedy, under their own persona, in the order of users."""
    details = cast("Mapping[str, Mapping[str, Mapping[str, Mapping[str, list[float]]]]]", summary["details"])
    return details["replies"]["wins"]["0.0"]["own"]
