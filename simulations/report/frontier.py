"""Privacy against utility: private settings by their ε, what they keep of the gain, and the ceiling without noise."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.privacy.guarantee import format_delta, format_epsilon
from simulations.report.drawing import INK, Drawn, Mark, below, drawn, label, mark_of, new_figure
from simulations.report.figure import DataTable, ReportFigure, number, percent, with_interval
from simulations.report.pooled import STEP, WIN, but_for_privacy, ceiling_of, gain_kept, headline, pooled
from simulations.report.sources import RunGroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR = 0.9
_BAND = "#8f8f90"


def frontier_figure(groups: Sequence[RunGroup]) -> ReportFigure | None:
    """The figure; None where no setting is private, or none was measured."""
    private = sorted(
        (group for group in groups if group.epsilon is not None and pooled(group, "own") is not None),
        key=lambda group: -(group.epsilon or 0),
    )
    ceilings = [group for group in groups if group.epsilon is None and pooled(group, "own") is not None]
    if not private or len(private) + len(ceilings) < 2:
        return None
    return ReportFigure(
        name="frontier",
        title="What privacy leaves of the gain",
        says=(
            "The smaller ε, the less anyone learns of one unit from the releases. Bars are 95 % intervals over users "
            "of all seeds together, small marks single seeds; the band is the same training without noise (but for the "
            "server's step, which may be fitted to the noise). Gain kept is the win rate above one half over that of "
            "the ceiling, users drawn together: “met” and “missed” say whether its interval lies above or below "
            f"{100 * _BAR:.0f} %.{_of_two_units(private)}"
        ),
        drawn=_draw(private, ceilings),
        table=DataTable(
            headings=("setting", "ε, server and everyone", "ε, models alone", "δ", "protects", "noise over C", "result",
                      "by seed, %", "another's persona", "gain kept", "users"),
            rows=tuple(_row(group, groups) for group in [*ceilings, *private]),
        ),
        groups=[*ceilings, *private],
    )  # fmt: skip


def _of_two_units(private: Sequence[RunGroup]) -> str:
    units = {str(stated["unit"]) for group in private if (stated := group.guarantee()) is not None}
    if len(units) < 2:
        return ""
    return " ε of one user and ε of one pair are two promises: no smaller figure of one is stronger than the other."


def _row(group: RunGroup, groups: Sequence[RunGroup]) -> tuple[str, ...]:
    stated = group.guarantee()
    own, other = pooled(group, "own"), pooled(group, "other")
    noise = group.first.summary["privacy"]
    loud = noise.get("noise_norm_over_clipping") if isinstance(noise, dict) else None
    ceiling = ceiling_of(group, groups)
    kept = None if ceiling is None else gain_kept(group, ceiling)
    said = (
        ""
        if kept is None
        else f"{100 * kept.value:.0f} % [{100 * kept.low:.0f}, {_bound(kept.high)}] {kept.verdict(_BAR)}"
    )
    return (
        group.name,
        "∞" if stated is None else format_epsilon(_float(stated["epsilon_server"])),
        "∞" if stated is None else format_epsilon(_float(stated["epsilon_model_observer"])),
        "" if stated is None else format_delta(_float(stated["delta"])),
        group.kind,
        number(_float(loud)),
        ""
        if own is None
        else with_interval(own.value, *((None, None) if math.isnan(own.low) else (own.low, own.high))),
        ", ".join(f"{100 * value:.1f}" for value in group.values(headline(group), "tuned")),
        "" if other is None else percent(other.value),
        said,
        "" if own is None else f"{own.users:,}",
    )


@dataclass(frozen=True, kw_only=True)
class _Series:
    """Settings that differ in ε, and in a step of the server's that is fitted to it."""

    label: str
    groups: tuple[RunGroup, ...]


def _rest(group: RunGroup, *also: str) -> str:
    return str(sorted(but_for_privacy(group, *also).items()))


def _series(private: Sequence[RunGroup]) -> list[_Series]:
    found: dict[tuple[str, str], list[RunGroup]] = {}
    for group in private:
        found.setdefault((group.kind, _rest(group, STEP)), []).append(group)
    # Two steps at one ε are no fitted ones: each has a series of its own.
    for key, groups in list(found.items()):
        if len({group.epsilon for group in groups}) < len(groups):
            del found[key]
            for group in groups:
                found.setdefault((group.kind, _rest(group)), []).append(group)
    kinds = [kind for kind, _ in found]
    return [
        _Series(
            # What else differs stands in the name, beside the ε that does anyway.
            label=kind if kinds.count(kind) == 1 else f"{kind}, {re.sub(r'epsilon-[0-9.]+_?', '', groups[0].name)}",
            groups=tuple(groups),
        )
        for (kind, _), groups in found.items()
    ]


def _draw(private: Sequence[RunGroup], ceilings: Sequence[RunGroup]) -> Drawn:
    figure, (axes,) = new_figure(7.6, 4.2)
    axes.set_xscale("log")
    finite = [group.epsilon for group in private if group.epsilon is not None]
    without = max(finite) * 2.2  # where ∞ stands
    for place, ceiling in enumerate(ceilings):
        found = pooled(ceiling, "own")
        if found is None:
            continue
        at = without * (1 + 0.05 * (place - (len(ceilings) - 1) / 2))
        first = "without noise (ceiling)" if place == 0 else None
        if len(ceilings) == 1:
            axes.axhline(100 * found.value, color=INK, linewidth=1, label=first)
            if not math.isnan(found.low):
                axes.axhspan(100 * found.low, 100 * found.high, color=_BAND, alpha=0.22, linewidth=0)
        axes.plot(at, 100 * found.value, "*", color=INK, markersize=10, label=None if len(ceilings) == 1 else first)
        if not math.isnan(found.low):
            axes.plot([at, at], [100 * found.low, 100 * found.high], color=INK, linewidth=1.5)
    series = _series(private)
    for place, one in enumerate(series):
        # Series at one ε stand beside each other.
        _draw_series(axes, one, mark_of(place), shift=1 + 0.035 * (place - (len(series) - 1) / 2))
    axes.axhline(50, color=INK, linewidth=1, linestyle=":")
    axes.set_xlim((without if ceilings else max(finite)) * 1.4, min(finite) / 1.6)  # stronger privacy to the right
    ticks = sorted(set(finite))
    labels = [format_epsilon(one) for one in ticks]
    axes.set_xticks([*ticks, without], [*labels, "∞"]) if ceilings else axes.set_xticks(ticks, labels)
    axes.minorticks_off()
    axes.set_xlabel("ε against the server and everyone who may know who took part when  (stronger →)")
    axes.set_ylabel("wins over the base, %" if headline(private[0]) == WIN else "pairs told right, %")
    below(axes, columns=2, offset=-0.16)
    return drawn(figure, "frontier")


def _draw_series(axes: Axes, series: _Series, mark: Mark, *, shift: float) -> None:
    points, others = [], []
    for group in series.groups:
        found, other, at = pooled(group, "own"), pooled(group, "other"), (group.epsilon or 1) * shift
        if found is None:
            continue
        points.append((at, 100 * found.value))
        if not math.isnan(found.low):
            axes.plot([at, at], [100 * found.low, 100 * found.high], color=mark.colour, linewidth=2)
        for value in group.values(headline(group), "tuned"):
            axes.plot(at, 100 * value, mark.marker, color=mark.colour, alpha=0.45, markersize=3)
        if other is not None:
            others.append((at, 100 * other.value))
    axes.plot(
        *zip(*points, strict=True), mark.marker, linestyle=mark.dashes, linewidth=1.2, color=mark.colour,
        label=label(series.label),
    )  # fmt: skip
    if others:
        axes.plot(
            *zip(*others, strict=True), mark.marker, color=mark.colour, markerfacecolor="none", linestyle="none",
            label=f"{label(series.label)}, another's persona",
        )  # fmt: skip


def _bound(value: float) -> str:
    return f"{100 * value:.0f}" if math.isfinite(value) else "∞"


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
