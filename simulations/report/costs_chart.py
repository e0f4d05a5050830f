"""What rounds took: seconds, and bytes of one device in a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import cast

from simulations.report.drawing import Drawn, below, drawn, label, mark_of, new_figure
from simulations.report.figure import DataTable, ReportFigure, number
from simulations.report.sources import RunGroup

_MOST_LINES, _MOST_BARS = 6, 40


def costs_figure(groups: Sequence[RunGroup]) -> ReportFigure | None:
    """The figure; None where no run has rounds."""
    ran = [group for group in groups if group.first.rounds]
    if not ran:
        return None
    rows = []
    for group in ran:
        records = [record for run in group.runs for record in run.rounds]
        costs = [cast("Mapping[str, float | None]", run.summary["cost"]) for run in group.runs]
        device = [cost["device_seconds_median"] for cost in costs if cost.get("device_seconds_median") is not None]
        walls = [cost["wall_seconds"] or 0.0 for cost in costs]
        federation = cast("Mapping[str, object]", group.first.summary["federation"])
        rows.append(
            (
                group.name,
                f"{cast('Mapping[str, int]', group.first.summary['data'])['users_train']:,}",
                f"{federation['cohort']:,}",
                f"{federation['shared_parameters']:,}",
                number(max(record.bytes_up for record in records) / 1000, 1),
                number(max(record.bytes_down for record in records) / 1000, 1),
                number(median(record.seconds for record in records), 1),
                number(median(record.aggregation_seconds for record in records), 3),
                number(fmean(cast("list[float]", device)), 2) if device else "",
                number(fmean(walls), 0),
                number(max(cost["peak_rss_bytes"] or 0.0 for cost in costs) / 2**30, 2),
            )
        )
    left_out = f" The first {_MOST_LINES} settings have lines." if len(ran) > _MOST_LINES else ""
    return ReportFigure(
        name="costs",
        title="Bytes and seconds per round",
        says=(
            "Wall time of each round with all its devices simulated on this machine, side by side with other runs; and "
            "what one device receives and sends in a round, as serialised. The total is of the process that finished a "
            f"run: less than all of it where it was resumed.{left_out}"
        ),
        drawn=_draw(ran),
        table=DataTable(
            headings=("setting", "users", "cohort", "numbers shared", "kB up", "kB down", "s a round, median",
                      "s of aggregation", "s on a device, median", "s in all", "peak GiB"),
            rows=tuple(rows),
        ),
        groups=ran,
    )  # fmt: skip


def _draw(groups: Sequence[RunGroup]) -> Drawn:
    bars = groups[:_MOST_BARS]
    figure, (times, sizes) = new_figure(7.6, max(3.4, 0.3 * len(bars) + 1.6), columns=2)
    last = 1
    for place, group in enumerate(groups[:_MOST_LINES]):
        mark = mark_of(place)
        by_round: dict[int, list[float]] = {}
        for run in group.runs:
            for record in run.rounds:
                by_round.setdefault(record.round_number, []).append(record.seconds)
        last = max(last, *by_round)
        times.plot(
            list(by_round), [fmean(seconds) for seconds in by_round.values()], marker=mark.marker,
            linestyle=mark.dashes, color=mark.colour, label=label(group.name),
        )  # fmt: skip
    times.set_ylim(bottom=0)
    times.set_xticks(range(1, last + 1, max(1, last // 8)))
    times.set_xlabel("round")
    times.set_ylabel("seconds")
    below(times, columns=2, offset=-0.2)
    for place, group in enumerate(bars):
        up = max(record.bytes_up for record in group.first.rounds) / 1000
        down = max(record.bytes_down for record in group.first.rounds) / 1000
        first = place == 0
        sizes.barh(place - 0.18, down, 0.34, color=mark_of(0).colour, label="down" if first else None)
        sizes.barh(place + 0.18, up, 0.34, color=mark_of(1).colour, hatch="///", label="up" if first else None)
    sizes.set_yticks(range(len(bars)), [label(group.name) for group in bars])
    sizes.set_ylim(len(bars) - 0.5, -0.5)
    sizes.set_xlabel("kB of one device and round")
    below(sizes, columns=2, offset=-0.2)
    return drawn(figure, "costs")
