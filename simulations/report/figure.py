"""One figure of a report: what is drawn, the numbers under it, and which runs they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from simulations.report.drawing import Drawn
from simulations.report.sources import RunGroup


@dataclass(frozen=True, kw_only=True)
class DataTable:
    """Attributes:
    headings: of the columns; the first column names its row.
    rows: as text, each as long as the headings.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Details:
    """What is folded away under a table.

    Attributes:
        title: seen when it is folded.
        lines: of what, and what of it.
    """

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """Attributes:
    name: of its files and its anchor.
    title: above it.
    says: what a reader sees in it, in sentences; also for those who do not see it.
    drawn: the plot; None where a table alone is the figure.
    table: the numbers of the plot.
    groups: the settings that it shows.
    """

    name: str
    title: str
    says: str
    drawn: Drawn | None
    table: DataTable
    groups: Sequence[RunGroup] = field(default=())
    details: Sequence[Details] = ()


def percent(value: float | None, digits: int = 1) -> str:
    """A share; nothing where there is none."""
    return "" if value is None else f"{100 * value:.{digits}f} %"


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A share in per cent with its interval."""
    if value is None or low is None or high is None:
        return percent(value)
    return f"{percent(value)} [{100 * low:.1f}, {100 * high:.1f}]"


def number(value: float | None, digits: int = 2) -> str:
    """A number; nothing where there is none."""
    return "" if value is None else f"{value:,.{digits}f}"
