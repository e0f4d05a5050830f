"""The methods as a picture: who wins, and how far each shared model is from the mean of the devices' models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from shared.flat_config import ConfigError

# Okabe and Ito's, told apart by whoever sees colours otherwise.
_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"


def draw_methods(rows: Sequence[Mapping[str, object]], path: Path, *, title: str) -> None:
    """Writes `path` with its suffix exchanged for .png and .svg.

    Args:
        rows: of `simulations.method_comparison`, all of one cohort size and ε.

    Raises:
        ConfigError: Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("a plot needs Matplotlib: pip install 'tacit[sim]'") from None
    ordered = sorted(rows, key=lambda row: _figure(row, "win_rate_greedy.own_persona")["mean"])  # type: ignore[return-value,arg-type]
    names = [f"{row['title']}  ({row['shared_parameters']:,} numbers)" for row in ordered]
    figure = Figure(figsize=(11, 0.42 * len(rows) + 1.9), layout="constrained")
    FigureCanvasAgg(figure)
    wins, errors = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for place, row in enumerate(ordered):
        own = _figure(row, "win_rate_greedy.own_persona")
        for value, (low, high) in zip(
            cast("list[float]", own["values"]), cast("list[list[float]]", own["ci95"]), strict=True
        ):
            wins.plot([100 * low, 100 * high], [place, place], color=_BLUE, alpha=0.35, linewidth=2)
            wins.plot(100 * value, place, "o", color=_BLUE)
        other = cast(float, _figure(row, "win_rate_greedy.other_persona")["mean"])
        wins.plot(100 * other, place, "x", color=_ORANGE)
        error = cast("float | None", row["aggregation_error"])
        if error is not None:
            errors.plot(max(error, 1e-9), place, "D", color=_GREEN)
    wins.axvline(50, color="grey", linewidth=1, linestyle=":")
    wins.set_yticks(range(len(names)), names)
    wins.set_xlabel(
        "beats the base's reply, % of held-out users' questions\n"
        "● own persona, a seed each, 95% interval   × another's persona"
    )
    errors.set_xscale("log")
    errors.set_xlim(1e-9, 2)
    errors.set_xlabel("aggregation error, of the mean model's norm\n(at the left edge: exact; none: not measured)")
    figure.suptitle(title)
    for suffix in (".png", ".svg"):
        figure.savefig(path.with_suffix(suffix), dpi=150, metadata={"Date": None} if suffix == ".svg" else None)


def _figure(row: Mapping[str, object], name: str) -> Mapping[str, object]:
    return cast("Mapping[str, Mapping[str, object]]", row["figures"])[name]
