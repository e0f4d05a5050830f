"""How figures are spread over people, and where the worst-served tenth of them are: a mean may leave them behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from simulations.evaluation.worst_decile import worst_decile, worst_decile_interval
from simulations.report.drawing import Drawn, below, drawn, label, mark_of, new_figure
from simulations.report.figure import DataTable, ReportFigure, number, percent
from simulations.report.sources import FinishedRun, RunGroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 5
_GREY = "#8f8f90"


@dataclass(frozen=True, kw_only=True)
class _People:
    """(users,) of all seeds: the tuned model's figure of each, and the base's."""

    tuned: NDArray[np.float64]
    base: NDArray[np.float64]


def people_figure(groups: Sequence[RunGroup]) -> ReportFigure | None:
    """The figure; None where no run keeps its users' figures."""
    found = [(group, people) for group in groups if (people := _people(group)) is not None]
    if not found:
        return None
    simulated = all(run.of_users("fits", "tuned") is not None for group, _ in found for run in group.runs)
    shown: Callable[[float], str] = number if simulated else percent
    rows = []
    for group, people in found:
        low, high = worst_decile_interval(people.tuned, seed=0)
        worse = float(np.mean(people.tuned < people.base)), float(np.mean(people.tuned > people.base))
        rows.append(
            (
                group.name,
                f"{len(people.tuned):,}",
                shown(float(people.base.mean())),
                shown(float(people.tuned.mean())),
                shown(worst_decile(people.base)),
                f"{shown(worst_decile(people.tuned))} [{shown(low)}, {shown(high)}]",
                *(shown(float(np.quantile(people.tuned, at))) for at in (0.25, 0.5, 0.75)),
                percent(worse[1], 0),
                percent(worse[0], 0),
            )
        )
    what = (
        "each user's mean number of the four style axes on which replies under their own persona are as they want them"
        if simulated
        else "the share of each person's own held-out pairs that is told right"
    )
    left_out = f" The first {_MOST} settings are drawn." if len(found) > _MOST else ""
    return ReportFigure(
        name="people",
        title="Person by person, and the worst-served tenth",
        says=(
            f"The share of people (upwards) who have at most so much (to the right) of: {what}. A line further right "
            "serves people better; marks are the mean of the worst-served tenth, each model's own tenth. Better and "
            f"worse off count people against the base model.{left_out}"
        ),
        drawn=_draw(found[:_MOST], simulated=simulated),
        table=DataTable(
            headings=("setting", "people", "base, mean", "tuned, mean", "base, worst tenth", "tuned, worst tenth",
                      "lower quartile", "median", "upper quartile", "better off", "worse off"),
            rows=tuple(rows),
        ),
        groups=[group for group, _ in found],
    )  # fmt: skip


def _people(group: RunGroup) -> _People | None:
    parts = [_of_run(run) for run in group.runs]
    if any(part is None for part in parts):
        return None
    kept = [part for part in parts if part is not None]
    return _People(
        tuned=np.concatenate([part.tuned for part in kept]), base=np.concatenate([part.base for part in kept])
    )


def _of_run(run: FinishedRun) -> _People | None:
    tuned, base = run.of_users("fits", "tuned"), run.of_users("fits", "base")
    if tuned is not None and base is not None:
        return _People(tuned=tuned, base=base)
    details = run.summary.get("details")
    told = details.get("pair_accuracy") if isinstance(details, dict) else None
    users = told.get("users") if isinstance(told, dict) else None
    if not isinstance(users, list) or not users:
        return None
    accuracy = [cast("dict[str, float]", user["accuracy"]) for user in users]
    of_whom = max(("base_summed", "base_per_token"), key=lambda name: np.mean([one.get(name, 0.0) for one in accuracy]))
    try:
        return _People(
            tuned=np.array([one["federated"] for one in accuracy]), base=np.array([one[of_whom] for one in accuracy])
        )
    except KeyError:
        return None


def _draw(found: Sequence[tuple[RunGroup, _People]], *, simulated: bool) -> Drawn:
    figure, (axes,) = new_figure(7.6, 4.0)
    scale = 1.0 if simulated else 100.0
    base = found[0][1].base
    _steps(axes, scale * base, color=_GREY, linewidth=2.5, label="base model")
    axes.plot(scale * worst_decile(base), 5, "X", color=_GREY, markersize=8)
    for place, (group, people) in enumerate(found):
        mark = mark_of(place)
        _steps(
            axes, scale * people.tuned, color=mark.colour, linestyle=mark.dashes, linewidth=1.6, label=label(group.name)
        )
        worst = scale * worst_decile(people.tuned)
        axes.plot(worst, 5, mark.marker, color=mark.colour, markersize=8)
    axes.set_ylim(0, 102)
    axes.set_ylabel("people, %")
    axes.set_xlabel("style axes met, of 4" if simulated else "own pairs told right, %")
    below(axes, columns=3, offset=-0.16)
    return drawn(figure, "people")


def _steps(axes: Axes, values: NDArray[np.float64], **look: object) -> None:
    ordered = np.sort(values)
    shares = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
    axes.step(np.concatenate([[ordered[0]], ordered]), np.concatenate([[0.0], shares]), where="post", **look)  # type: ignore[arg-type]
