"""A cohort's updates, of which no more is held than what the next state is made of.

| what the next state is made of | held | bytes, of n devices and d numbers |
|---|---|---|
| the mean (FFA-LoRA and all methods that sum) | its exact sum | 16 d |
| a noised sum (`server.central_noise`) | the sum on the integer grid | 8 d |
| the updates' sum under masks (`server.secure_sum`) | nothing here | 0 |
| every update (the other methods, and means that bear liars) | all of them | 4 n d |

Where a step's aggregation error is to be measured, the first updates are held as long as they are few enough for that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.adapter_step import MOST_COMPARED, AdapterStep
from server.aggregation.exact_sum import ExactSum
from shared.privacy.integer_grid import IntegerSum
from shared.privacy.mechanisms import SumMechanism


class CohortUpdates:
    """The updates of one attempt at a round, added in any order.

    Attributes:
        count: how many there are.
    """

    def __init__(self, step: AdapterStep, mechanism: SumMechanism | None, *, dimension: int, compared: bool) -> None:
        """Args:
        step: what the next state is made by.
        mechanism: what noises the sum; None where nothing does.
        dimension: of an update.
        compared: whether the step's aggregation error is wanted.
        """
        self._step, self._mechanism = step, mechanism
        self._noised: IntegerSum | None = None if mechanism is None else mechanism.begin()
        self._sum = ExactSum(dimension)
        self._kept: dict[int, NDArray[np.float32]] = {}
        self._keeps = mechanism is None and (step.needs_each or compared)
        self.count = 0

    def add(self, device: int, update: NDArray[np.float32]) -> None:
        """Adds a device's. Raises: ValueError: another shape."""
        self.count += 1
        if self._noised is not None:
            self._noised.add(update)
            return
        if not self._step.needs_each:
            self._sum.add(update)
            if len(self._kept) >= MOST_COMPARED:  # too many to be compared
                self._kept, self._keeps = {}, False
        if self._keeps:
            self._kept[device] = update

    def noised(self) -> NDArray[np.float64]:
        """(d,) the noised sum: it is released with this. Raises: what the mechanism says."""
        if self._mechanism is None or self._noised is None:
            raise RuntimeError("nothing noises these updates")
        return self._mechanism.release_sum(self._noised)

    def next_state(self, state: NDArray[np.float32], *, round_number: int) -> NDArray[np.float32]:
        """(state_dimension,) the next state, without noise. Raises: ValueError: of no updates."""
        if not self._step.needs_each:
            return self._step.from_mean(state, self._sum.mean(), round_number=round_number)
        return self._step.from_updates(state, self._in_order(), devices=sorted(self._kept), round_number=round_number)

    def error(self, state: NDArray[np.float32], following: NDArray[np.float32], *, round_number: int) -> float | None:
        """See `AdapterStep.error`; None, too, where the updates are no longer there."""
        return self._step.error(state, self._in_order(), following, round_number) if self._keeps else None

    def _in_order(self) -> Sequence[NDArray[np.float32]]:
        """By device number: what is made of them must not hang on who answered first."""
        return [self._kept[device] for device in sorted(self._kept)]
