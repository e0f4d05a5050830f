"""Every setting's headline, with other personas' beside it, and the baselines that runs hold: a row each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

from shared.privacy.guarantee import format_epsilon
from simulations.report.drawing import INK, MARKS, Drawn, below, drawn, label, new_figure
from simulations.report.figure import DataTable, ReportFigure, number, percent, with_interval
from simulations.report.pooled import WIN, headline, pooled
from simulations.report.sources import RunGroup
from simulations.run.figure_rows import Column

_MOST_ROWS = 40
_SHOWN: Mapping[Column, str] = {"own": "own persona", "none": "no persona", "other": "another's persona"}


def settings_figure(groups: Sequence[RunGroup]) -> ReportFigure | None:
    """The figure; None where nothing was measured."""
    measured = [group for group in groups if pooled(group, "own") is not None]
    if not measured:
        return None
    simulated = all(headline(group) == WIN for group in measured)
    rows: list[tuple[str, ...]] = []
    for group in measured:
        epsilon = "∞" if group.epsilon is None else format_epsilon(group.epsilon)
        cells = [_estimate(group, column) for column in _SHOWN] if simulated else [_estimate(group, "own")]
        by_seed = ", ".join(f"{100 * value:.1f}" for value in group.values(headline(group), "tuned"))
        worst = "style_fit_worst_decile_greedy" if simulated else "pair_accuracy_worst_decile"
        rows.append((group.name, epsilon, *cells, by_seed, _worst(group, worst), _users(group)))
    baselines = _baselines(measured)
    for name, value, low, high in baselines:
        filler = ("",) * (len(_SHOWN) - 1 if simulated else 0)
        rows.append((f"baseline: {name}", "", with_interval(value, low, high), *filler, "", "", ""))
    shown = tuple(_SHOWN.values()) if simulated else ("told right",)
    what = (
        "How often the tuned reply fits its user's true style better than the base's to the same question, a tie "
        "counting half; 50 % is no better than the base. A win under one's own persona that is not there under "
        "another's is personalization."
        if simulated
        else "How often the reply that a person chose is told from the one rejected, on held-out pairs."
    )
    return ReportFigure(
        name="settings",
        title="What was learned",
        says=f"{what} Bars are 95 % intervals over users of all seeds together; they say nothing about other seeds.",
        drawn=_draw(measured, baselines, simulated=simulated) if len(measured) <= _MOST_ROWS else None,
        table=DataTable(
            headings=("setting", "ε", *shown, "own persona by seed, %" if simulated else "by seed, %", "worst tenth",
                      "users"),
            rows=tuple(rows),
        ),
        groups=measured,
    )  # fmt: skip


def _draw(
    groups: Sequence[RunGroup], baselines: Sequence[tuple[str, float, float | None, float | None]], *, simulated: bool
) -> Drawn:
    count = len(groups) + len(baselines)
    figure, (axes,) = new_figure(7.6, 0.34 * count + 1.5)
    names = [*(group.name for group in groups), *(name for name, *_ in baselines)]
    for mark, (column, words) in zip(MARKS, _SHOWN.items(), strict=False):
        if column != "own" and not simulated:
            continue
        for place, group in enumerate(groups):
            found = pooled(group, column)
            if found is None:
                continue
            at = place + 0.16 * (list(_SHOWN).index(column) - 1)
            if not math.isnan(found.low):
                axes.plot([100 * found.low, 100 * found.high], [at, at], color=mark.colour, linewidth=2)
            filled = mark.colour if column == "own" else "none"
            axes.plot(
                100 * found.value, at, mark.marker, color=mark.colour, markerfacecolor=filled,
                label=(words if simulated else "trained together") if place == 0 else None,
            )  # fmt: skip
    for place, (_, value, low, high) in enumerate(baselines, start=len(groups)):
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [place, place], color=INK, linewidth=2)
        axes.plot(100 * value, place, "*", color=INK, markersize=9, label="baseline" if place == len(groups) else None)
    axes.axvline(50, color=INK, linewidth=1, linestyle=":")
    axes.set_yticks(range(count), [label(name) for name in names])
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlabel("wins over the base model's reply, %" if simulated else "held-out pairs told right, %")
    below(axes, columns=4, offset=-0.55 / (0.34 * count + 0.4))
    return drawn(figure, "settings")


def _baselines(groups: Sequence[RunGroup]) -> list[tuple[str, float, float | None, float | None]]:
    """Rows that were measured beside a run, and of recorded data the rivals that every cross-validation has."""
    found: dict[str, tuple[str, float, float | None, float | None]] = {}
    for group in groups:
        metric = headline(group)
        for name, row in group.first.baselines.items():
            parts = cast("Mapping[str, object]", row["utility"]).get(metric)
            if isinstance(parts, dict):
                value, interval = parts.get("own_persona", parts.get("tuned")), parts.get("ci95")
                if isinstance(value, int | float):
                    low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
                    found.setdefault(name, (name, float(value), low, high))
        details = cast("Mapping[str, Mapping[str, object]]", group.first.summary.get("details", {}))
        told = details.get("pair_accuracy", {}).get("accuracy")
        if metric != WIN and isinstance(told, dict):
            for name, estimate in told.items():
                if name != "federated":
                    title = name.replace("_", " ")
                    found.setdefault(title, (title, estimate["value"], estimate["low"], estimate["high"]))
    return list(found.values())


def _estimate(group: RunGroup, column: Column) -> str:
    found = pooled(group, column)
    if found is None:
        return ""
    return percent(found.value) if math.isnan(found.low) else with_interval(found.value, found.low, found.high)


def _worst(group: RunGroup, metric: str) -> str:
    values = group.values(metric, "tuned")
    if not values:
        return ""
    mean = sum(values) / len(values)
    return number(mean) if metric.startswith("style") else percent(mean)


def _users(group: RunGroup) -> str:
    found = pooled(group, "own")
    return "" if found is None else f"{found.users:,}"
