"""What the commands that run many settings over seeds have in common: how a sweep is run and shown."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.command_line import parse_assignment

if TYPE_CHECKING:
    from simulations.run.many import Sweep, SweepState
    from simulations.run.progress import RunProgress, Stage

GOES_ON = "finished runs stand, and the same command goes on with the others"


@contextmanager
def sweeping(
    shown: RunProgress,
    *,
    settings: int,
    seeds: Sequence[int],
    directory: Path,
    processes: int,
    assignments: Sequence[str] | None,
    changes: Mapping[str, object] | None = None,
) -> Iterator[Sweep]:
    """A sweep of so many settings over seeds, whose finished runs are counted as they come.

    Args:
        assignments: of `--set`.
        changes: of every run, below those.

    Raises:
        ConfigError: an assignment is none.
    """
    from simulations.run.many import Sweep

    with shown.stage(f"{settings} settings, {len(seeds)} seeds", total=settings * len(seeds)) as stage:
        yield Sweep(
            directory=directory,
            seeds=seeds,
            changes={**(changes or {}), **dict(parse_assignment(text) for text in assignments or ())},
            processes=processes,
            command=shlex.join(["tacit-sim", *sys.argv[1:]]),
            progress=lambda done, _total, name: stage.advance(done, f"{name} is done"),
            watch=lambda state: show_state(stage, state),
        )


def show_state(stage: Stage, state: SweepState) -> None:
    """Moves the bar to how far a sweep is, and says what is at work and how long is left."""
    note = f"{int(state.done)} of {state.total} runs · at work: {'; '.join(state.running) or 'none'}{time_left(state)}"
    stage.advance(state.done, note, line=False)


def time_left(state: SweepState | None) -> str:
    """Nothing where nothing is known, or left."""
    seconds = None if state is None else state.seconds_left
    if not seconds:
        return ""
    said = f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min" if seconds >= 90 else "a minute"
    return f" · about {said} left"
