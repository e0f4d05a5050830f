"""The figures of attacks as tables: one a kind of row, as they stand in `audit.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from simulations.audits.result import AuditResult, Figure

# What has no ε to compare, so that its figures are what it found.
_SHOWN = ("inversion", "persona", "transcript")
_LONGEST = 60
_LEFT_OUT = ("observer",)
_INTERVAL = 3


def figure_tables(results: Sequence[AuditResult]) -> Iterator[Table]:
    """Tables of the attacks' figures; a mean is followed by its interval."""
    for result in results:
        if result.name not in _SHOWN:
            continue
        rows = list(_rows("", result.figures))
        for columns in dict.fromkeys(tuple(key for key in row if key not in _LEFT_OUT) for _, row in rows):
            table = Table(title=f"{result.name}: {result.method}", title_justify="left")
            table.add_column("")
            for key in columns:
                table.add_column(key.replace("_", " "), justify="right")
            for name, row in rows:
                if tuple(key for key in row if key not in _LEFT_OUT) == columns:
                    table.add_row(name, *(_said(row[key]) for key in columns))
            yield table


def _rows(name: str, figures: Mapping[str, Figure]) -> Iterator[tuple[str, Mapping[str, Figure]]]:
    """Every mapping in figures that holds no other, with the way to it."""
    plain = {key: value for key, value in figures.items() if not isinstance(value, dict)}
    if not name:  # of the whole audit, one below the other
        yield from ((key, {"found": value}) for key, value in plain.items())
    elif plain:
        yield name, plain
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from _rows(f"{name}, {key}" if name else key, value)


def _said(value: Figure) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        if len(value) == _INTERVAL and all(isinstance(one, float) for one in value):
            middle, low, high = (_said(one) for one in value)
            return f"{middle} [{low}, {high}]"
        return ", ".join(_said(one) for one in value) or "none"
    said = "" if value is None else str(value)
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
