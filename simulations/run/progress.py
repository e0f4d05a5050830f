"""What a person sees while a run goes on: live bars on a terminal, a line for each step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from server.round_record import RoundRecord
from simulations.population.recorded import LoadReport


class RunProgress:
    """Shows one stage at a time. A context manager."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.is_live = console.is_terminal
        self._bar = Progress(
            SpinnerColumn(),
            # Two lines: on one, a narrow terminal would cut the times off.
            TextColumn("{task.description}\n{task.fields[note]}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self.is_live,
        )

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(self, description: str, *, total: int) -> Iterator[Stage]:
        """A part of the run that has `total` steps."""
        task = self._bar.add_task(description, total=total, note="starting")
        if not self.is_live:
            self.say(f"{description} ...")
        began = time.monotonic()
        try:
            yield Stage(self, self._bar, task)
        finally:
            self._bar.remove_task(task)
        self.say(f"{description}: done in {time.monotonic() - began:.0f} s")


class Stage:
    """A stage at work."""

    def __init__(self, shown: RunProgress, bar: Progress, task: TaskID) -> None:
        self._shown = shown
        self._bar = bar
        self._task = task
        self._done = 0.0

    def step(self, by: float, *, limit: float) -> None:
        """Moves the bar a little, as far as `limit`."""
        if self._done == 0:
            self._bar.update(self._task, note="the first devices have answered")
        self._done = min(self._done + by, limit)
        self._bar.update(self._task, completed=self._done)

    def advance(self, done: float, note: str, *, line: bool = True) -> None:
        """Moves the bar to `done` steps; where there are no bars, prints the note if it is worth a line."""
        self._done = done
        self._bar.update(self._task, completed=done, note=note)
        if line and not self._shown.is_live:
            self._shown.say(f"  {note}")


def describe_round(record: RoundRecord) -> str:
    """A round in a line: what a non-private one learned, and who was missing."""
    parts = [f"round {record.round_number}/{record.rounds}"]
    if record.metrics is not None:
        parts += [f"loss {record.metrics.loss:.3f}", f"pairs told right {record.metrics.accuracy:.0%}"]
    parts.append(f"{record.replies / record.seconds:.1f} updates/s")
    if record.failures:
        parts.append(f"{len(record.failures)} devices failed")
    if record.no_pairs:
        parts.append(f"{record.no_pairs} without pairs")
    return " · ".join(parts)


def describe_data(report: LoadReport) -> str:
    """What was read, and what was left out and why, in a line: nothing disappears unsaid."""
    text = f"{report.pairs} pairs of {report.users} people about {report.groups} questions"
    if report.users_without_pairs:
        text += f"; {report.users_without_pairs} people have none"
    left_out = [f"{count} {reason}" for reason, count in report.left_out.items() if count]
    return text + (f"; left out: {', '.join(left_out)}" if left_out else "")
