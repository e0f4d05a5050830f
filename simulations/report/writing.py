"""Writes a report: `report.html`, and its plots as PNG and SVG files in `plots/`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from server.whole_files import write_whole
from shared.flat_config import ConfigError
from simulations.report.audits_chart import audits_figure
from simulations.report.comparison import compare
from simulations.report.costs_chart import costs_figure
from simulations.report.figure import ReportFigure
from simulations.report.frontier import frontier_figure
from simulations.report.page import render_page
from simulations.report.people_chart import people_figure
from simulations.report.rounds_chart import rounds_figure
from simulations.report.settings_chart import settings_figure
from simulations.report.sources import RunGroup, Source, read_source, shown_name
from simulations.run.directory import REPORT_FILE

PLOTS_DIRECTORY = "plots"
_FIGURES: tuple[Callable[[Sequence[RunGroup]], ReportFigure | None], ...] = (
    frontier_figure,
    settings_figure,
    rounds_figure,
    people_figure,
    audits_figure,
    costs_figure,
)
_NAMES = frozenset({"frontier", "settings", "rounds", "people", "audits", "costs"})


def write_report(paths: Sequence[Path], directory: Path, *, comparing: bool = False) -> Path:
    """The report of runs and sweeps; returns its file.

    Args:
        paths: of runs or sweeps.
        directory: of the report.
        comparing: put two side by side and say which differences exceed noise.

    Raises:
        ConfigError: Matplotlib is not installed, or not two are to be compared.
        ReleaseError: a path holds nothing that is finished.
        OSError: something cannot be read or written.
    """
    if comparing and len(paths) != 2:
        raise ConfigError("--compare puts two side by side: name two runs or two sweeps")
    sources = [_named(read_source(path), path, paths) for path in paths]
    groups = [group for source in sources for group in source.groups]
    figures = [figure for make in _FIGURES if (figure := make(groups)) is not None]
    comparison = None
    if comparing:
        first, second = (read_source(path) for path in paths)
        comparison = compare(first, second, (shown_name(paths[0], paths), shown_name(paths[1], paths)))
    command = shlex.join(["tacit-sim", "report", *map(str, paths), "--out", str(directory)])
    page = render_page(sources, figures, comparison, command=command + (" --compare" if comparing else ""))
    plots = directory / PLOTS_DIRECTORY
    plots.mkdir(parents=True, exist_ok=True)
    drawn = {figure.name: figure.drawn for figure in figures if figure.drawn is not None}
    for name in _NAMES - set(drawn):  # of an earlier report
        for ending in ("svg", "png"):
            (plots / f"{name}.{ending}").unlink(missing_ok=True)
    for name, plot in drawn.items():
        write_whole(plots / f"{name}.svg", plot.svg)
        write_whole(plots / f"{name}.png", plot.png)
    write_whole(directory / REPORT_FILE, page.encode())
    return directory / REPORT_FILE


def _named(source: Source, path: Path, paths: Sequence[Path]) -> Source:
    """Settings of several paths are told apart by where they stand."""
    if len(paths) == 1:
        return source
    place = shown_name(path, paths)
    alone = len(source.groups) == 1
    groups = tuple(replace(group, name=place if alone else f"{place}: {group.name}") for group in source.groups)
    return replace(source, groups=groups)
