"""Figures of attacks as a person reads them."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from simulations.audits.result import AuditResult, Figure
from simulations.commands.audit_figures import figure_tables


def _result(name: str, figures: dict[str, Figure]) -> AuditResult:
    return AuditResult(
        name=name, unit=None, observer="the server", claim=None, delta=None, lower_bound=None, estimate=None,
        confidence=0.95, canaries=3, verdict="measured", figures=figures, method="a look", limits="",
    )  # fmt: skip


def test_rows_of_one_kind_share_a_table_and_intervals_are_written_out() -> None:
    figures: dict[str, Figure] = {
        "raw": {"observer": "nobody", "auc": [0.9, 0.8, 1.0], "found": None},
        "own persona": {"told": {"bits": 2.0}, "held out": {"bits": 1.0}},
        "messages": 240,
    }
    tables = list(figure_tables([_result("inversion", figures), _result("canaries", figures)]))
    console = Console(file=StringIO(), width=200)
    for table in tables:
        console.print(table)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert len(tables) == 3
    assert "0.9 [0.8, 1]" in said
    assert "own persona, held out" in said
    assert "240" in said
    assert "nobody" not in said
