"""How a pretraining run shows where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@dataclass(frozen=True, kw_only=True)
class PretrainProgress:
    """Where a run stands: loss in nats per scored token, smoothed; conversations seen; seconds in this process."""

    step: int
    steps: int
    loss: float
    examples: int
    seconds: float


@contextmanager
def live_progress(console: Console | None = None) -> Iterator[Callable[[PretrainProgress], None]]:
    """A live bar with loss and speed; yields the callback that `pretrain` takes."""
    columns = (
        TextColumn("pretraining"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f} · {task.fields[rate]:.0f} conversations/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("pretraining", total=None, loss=float("nan"), rate=0.0)

        def show(progress: PretrainProgress) -> None:
            rate = progress.examples / max(progress.seconds, 1e-9)
            bar.update(task, completed=progress.step, total=progress.steps, loss=progress.loss, rate=rate)

        yield show
