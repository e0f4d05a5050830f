"""When a run learned: a few held-out users asked after every round (`evaluation.by-round`)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from simulations.report.drawing import INK, Drawn, below, drawn, label, mark_of, new_figure
from simulations.report.figure import DataTable, ReportFigure, percent, with_interval
from simulations.report.sources import RunGroup
from simulations.run.by_round import RoundUtility

_MOST = 6


def rounds_figure(groups: Sequence[RunGroup]) -> ReportFigure | None:
    """The figure; None where no run was asked by round."""
    measured = [group for group in groups if any(run.rounds_utility for run in group.runs)]
    if not measured:
        return None
    rows = [
        (
            group.name,
            str(number),
            _share(lines),
            percent(fmean(line.none for line in lines), 0),
            percent(fmean(line.other for line in lines), 0),
            percent(fmean(line.coherent for line in lines), 0),
            f"{lines[0].users} × {len(lines)}",
        )
        for group in measured
        for number, lines in _by_round(group).items()
    ]
    left_out = f" The first {_MOST} settings are drawn." if len(measured) > _MOST else ""
    return ReportFigure(
        name="rounds",
        title="Win rate by round",
        says=(
            "Each round's release, asked by a few held-out users: greedy, one question each, the mean over seeds. So "
            f"few users show when something was learned, not how much.{left_out}"
        ),
        drawn=_draw(measured[:_MOST]),
        table=DataTable(
            headings=("setting", "round", "own persona", "no persona", "another's", "makes sense", "users × seeds"),
            rows=tuple(rows),
        ),
        groups=measured,
    )


def _by_round(group: RunGroup) -> dict[int, list[RoundUtility]]:
    found: dict[int, list[RoundUtility]] = {}
    for run in group.runs:
        for line in run.rounds_utility:
            found.setdefault(line.round_number, []).append(line)
    return dict(sorted(found.items()))


def _share(lines: Sequence[RoundUtility]) -> str:
    if len(lines) == 1:
        return with_interval(lines[0].own, lines[0].low, lines[0].high)
    return percent(fmean(line.own for line in lines), 0)


def _draw(groups: Sequence[RunGroup]) -> Drawn:
    figure, (axes,) = new_figure(7.6, 3.9)
    last = 1
    for place, group in enumerate(groups):
        mark, by_round = mark_of(place), _by_round(group)
        numbers = list(by_round)
        last = max(last, *numbers)
        own = [100 * fmean(line.own for line in lines) for lines in by_round.values()]
        other = [100 * fmean(line.other for line in lines) for lines in by_round.values()]
        axes.plot(numbers, own, marker=mark.marker, linestyle=mark.dashes, color=mark.colour, label=label(group.name))
        axes.plot(
            numbers, other, marker=mark.marker, linestyle=mark.dashes, color=mark.colour, alpha=0.45, linewidth=1,
            markerfacecolor="none", markersize=4, label=f"{label(group.name)}, another's persona",
        )  # fmt: skip
    axes.axhline(50, color=INK, linewidth=1, linestyle=":")
    axes.set_xticks(range(1, last + 1, max(1, last // 12)))
    axes.set_xlabel("round")
    axes.set_ylabel("wins over the base, %")
    below(axes, columns=2, offset=-0.16)
    return drawn(figure, "rounds")
