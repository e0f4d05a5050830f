"""What audits measured against what is claimed: no ε below an audit's bound fits what was seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shared.privacy.guarantee import format_delta, format_epsilon, format_lower_bound
from simulations.report.drawing import INK, Drawn, below, drawn, label, mark_of, new_figure
from simulations.report.figure import DataTable, Details, ReportFigure, number, percent
from simulations.report.sources import Json, RunGroup

_BOUND, _CLAIM, _ESTIMATE = mark_of(1), mark_of(0), mark_of(2)


def audits_figure(groups: Sequence[RunGroup]) -> ReportFigure | None:
    """The figure; None where no run was audited."""
    found = [
        (group.name if len(group.runs) == 1 else f"{group.name}, seed {run.seed}", audit)
        for group in groups
        for run in group.runs
        for audit in run.audits
    ]
    if not found:
        return None
    rows = tuple(
        (
            name,
            _text(audit, "name"),
            _text(audit, "verdict"),
            _epsilon(audit, "claim"),
            "" if (bound := _number(audit, "lower_bound")) is None else format_lower_bound(bound),
            _epsilon(audit, "estimate"),
            percent(_number(audit, "confidence")),
            "" if (delta := _number(audit, "delta")) is None or not 0 < delta < 1 else format_delta(delta),
            "" if (canaries := _number(audit, "canaries")) is None else f"{canaries:,.0f}",
            _text(audit, "unit") or "none",
            _text(audit, "observer"),
        )
        for name, audit in found
    )
    violated = [row for row in rows if row[2] == "violated"]
    broken = f" {len(violated)} of {len(rows)} results VIOLATE their claim." if violated else ""
    return ReportFigure(
        name="audits",
        title="Audits against what is claimed",
        says=(
            "A lower bound above its claim would show that the claim is false; a bound below it does not prove the "
            f"claim, since a stronger attack may exist.{broken}"
        ),
        drawn=_draw([(f"{name}: {_named(name, audit, found)}", audit) for name, audit in found]),
        table=DataTable(
            headings=("setting", "audit", "verdict", "claimed ε", "lower bound", "estimate", "confidence", "δ",
                      "canaries", "unit", "who sees what"),
            rows=rows,
        ),
        details=[_details(name, audit) for name, audit in found],
        groups=[group for group in groups if any(run.audits for run in group.runs)],
    )  # fmt: skip


def _named(name: str, audit: Json, found: Sequence[tuple[str, Json]]) -> str:
    """The audit, and on a second line whose sight its result is of, in few words, where a run has several of it."""
    kind, observer = _text(audit, "name"), _text(audit, "observer")
    same = [one for other, one in found if (other, _text(one, "name")) == (name, kind)]
    return f"{kind}\n{re.split(r'[:,;(]', observer)[0].strip()}" if len(same) > 1 else kind


def _details(name: str, audit: Json) -> Details:
    figures = audit.get("figures")
    return Details(
        title=f"{name}: {_text(audit, 'name')} ({_text(audit, 'observer')}): {_text(audit, 'verdict')}",
        lines=(
            ("how", _text(audit, "method")),
            ("what it cannot show", _text(audit, "limits")),
            *_lines(figures if isinstance(figures, dict) else {}),
        ),
    )


def _lines(figures: Json, above: str = "") -> Iterator[tuple[str, str]]:
    """An audit's own figures, of whatever kind they are; those that stand in groups of groups one line a group."""
    for key, value in figures.items():
        name = f"{above}{str(key).replace('_', ' ')}"
        if isinstance(value, dict) and any(isinstance(below, dict) for below in value.values()):
            yield from _lines(value, f"{name}, ")
        else:
            yield name, _said(value) if isinstance(value, dict) else _one(value)


def _draw(found: Sequence[tuple[str, Json]]) -> Drawn | None:
    shown = [(name, audit) for name, audit in found if _number(audit, "lower_bound") is not None]
    if not shown:
        return None
    figure, (axes,) = new_figure(7.6, 0.5 * len(shown) + 1.6)
    for place, (_, audit) in enumerate(shown):
        bound, claim, estimate = (_number(audit, key) for key in ("lower_bound", "claim", "estimate"))
        if bound is None:
            continue
        first = place == 0
        axes.plot([0, bound], [place, place], color=_BOUND.colour, linewidth=4, alpha=0.6)
        axes.plot(bound, place, _BOUND.marker, color=_BOUND.colour, label="lower bound of the audit" if first else None)
        if estimate is not None:
            axes.plot(
                estimate, place, _ESTIMATE.marker, color=_ESTIMATE.colour, markerfacecolor="none",
                label="its estimate",
            )  # fmt: skip
        if claim is not None:
            axes.plot(claim, place, "|", color=_CLAIM.colour, markersize=16, markeredgewidth=3, label="claimed ε")
    handles, labels = axes.get_legend_handles_labels()
    for place, words in enumerate(labels):
        if words in labels[:place]:
            handles[place].set_label("_")
    names = ["\n".join(map(label, name.splitlines())) for name, _ in shown]
    axes.set_yticks(range(len(shown)), names, linespacing=1.1)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("ε")
    axes.axvline(0, color=INK, linewidth=1)
    below(axes, columns=3, offset=-0.55 / (0.5 * len(shown) + 0.4))
    return drawn(figure, "audits")


def _text(audit: Json, key: str) -> str:
    value = audit.get(key)
    return value if isinstance(value, str) else ""


def _number(audit: Json, key: str) -> float | None:
    value = audit.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _epsilon(audit: Json, key: str) -> str:
    value = _number(audit, key)
    return "" if value is None else format_epsilon(value)


def _said(figures: Json) -> str:
    return "; ".join(f"{str(key).replace('_', ' ')} {_one(value)}" for key, value in figures.items())


def _one(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "not measured"}[value]
    if isinstance(value, float):
        return number(value, 3)
    if isinstance(value, list):
        return f"[{', '.join(_one(item) for item in value)}]" if value else "none"
    if isinstance(value, dict):
        return f"({_said(value)})"
    return str(value)
