"""From a Matplotlib figure to what a page and a directory want: SVG that follows the page's colours, and files.

Series are told apart by colour, marker and line together, in Okabe and Ito's colours.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.flat_config import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LONGEST = 32
INK, GRID = "#010203", "#b1b2b3"  # exchanged for the page's own


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How a series looks: `variable` is the page's name of its colour."""

    colour: str
    variable: str
    marker: str
    dashes: str | tuple[int, tuple[int, ...]]


MARKS = (
    Mark(colour="#0072b2", variable="--blue", marker="o", dashes="-"),
    Mark(colour="#d55e00", variable="--vermilion", marker="s", dashes="--"),
    Mark(colour="#009e73", variable="--green", marker="^", dashes="-."),
    Mark(colour="#cc79a7", variable="--purple", marker="D", dashes=":"),
    Mark(colour="#e69f00", variable="--orange", marker="v", dashes=(0, (5, 1, 1, 1, 1, 1))),
    Mark(colour="#56b4e9", variable="--sky", marker="P", dashes=(0, (8, 2))),
)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One plot.

    Attributes:
        inline: an `<svg>` element for a page that defines the colours' variables.
        svg, png: files that stand by themselves, on white.
    """

    inline: str
    svg: bytes
    png: bytes


def label(name: str) -> str:
    """A name as it fits into a plot; the table under it has all of it."""
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    # Dollars would begin mathematics, and a leading underscore hide a series.
    return short.replace("$", r"\$").lstrip("_") or "-"


def mark_of(place: int) -> Mark:
    """Of the series at this place; beyond six, marks come again, and names beside them tell."""
    return MARKS[place % len(MARKS)]


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """An empty figure, in inches, with its axes in a row.

    Raises:
        ConfigError: Matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("a report needs Matplotlib: pip install 'tacit[sim]'") from None
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = [figure.add_subplot(1, columns, place + 1) for place in range(columns)]
        for one in axes:
            one.grid(visible=True, color=GRID, linewidth=0.5, alpha=0.6)
            one.set_axisbelow(True)
            for side in ("top", "right"):
                one.spines[side].set_visible(False)
    return figure, axes


def below(axes: Axes, *, columns: int = 3, offset: float = -0.2) -> None:
    """The legend under the axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles, labels, loc="upper center", bbox_to_anchor=(0.5, offset), ncols=columns, frameon=False,
            labelcolor=INK, fontsize=9, handlelength=2.6,
        )  # fmt: skip


def drawn(figure: Figure, name: str) -> Drawn:
    """The figure as bytes and as an element; `name` makes its ids its own in a page with others."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=150, facecolor="white", metadata={"Software": None})
        svg = io.BytesIO()
        figure.savefig(svg, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
        clear = io.StringIO()
        figure.savefig(clear, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return Drawn(inline=_inline(clear.getvalue(), name), svg=svg.getvalue(), png=png.getvalue())


def _inline(svg: str, name: str) -> str:
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', element)
    element = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', element)
    element = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", element)
    # The page scales it: its size stays as the shape of its box.
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = element.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    for mark in MARKS:
        element = re.sub(mark.colour, f"var({mark.variable})", element, flags=re.IGNORECASE)
    return element.replace(INK, "currentColor").replace(GRID, "var(--grid)")


_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",  # text stays text: it can be read aloud, found and scaled
    "svg.hashsalt": "tacit",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlesize": 10,
    "lines.markersize": 6,
}
