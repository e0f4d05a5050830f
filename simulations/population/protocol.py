"""What an engine asks of a population: how many devices there are, and what one of them learns from."""

from __future__ import annotations

from typing import Protocol

from shared.conversation import PreferencePair


class Population(Protocol):
    """Simulated devices, made lazily: a device that is never sampled costs nothing.

    A population is picklable and deterministic: worker processes rebuild device `index` from it, and every process gets
    the same pairs.
    """

    @property
    def name(self) -> str:
        """The data source, as it stands in `summary.json`."""
        ...

    def __len__(self) -> int:
        """How many devices take part in training."""
        ...

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The training pairs of device `index`, 0 ≤ index < len(self). May be empty."""
        ...
