"""What a sweep's run is going to take, by what runs like it took: memory decides how many go side by side, and time
what is left to wait."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from server.run_summary import read_summary
from shared.flat_config import require
from simulations.run.side_by_side import Job, JobCost

GIB = 2**30
_SHARE = 0.8  # of the machine's memory, if nobody says how much
# What decides how large a run gets; seeds, steps and noise do not.
_SHAPE = ("model.", "adapter.", "training.", "secure-aggregation.", "data.", "evaluation.", "rlhi.")
_NOT_SHAPE = ("seed", "path", "sha256", "learning-rate", "beta", "nll-weight", "basis", "split")
_ALSO_SHAPE = ("federation.cohort-size", "federation.aggregation", "run.engine", "run.processes")
# A greedy reply costs about this much of a device's step (embedded world, one core).
_REPLY = 0.15


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a sweep may take.

    Attributes:
        memory_gib: of all runs together; None is four fifths of the machine's.
        run_gib: what a run takes of whose like none has ended yet; None runs it by itself.
        processes: runs side by side, at most.
    """

    memory_gib: float | None = None
    run_gib: float | None = None
    processes: int = 2

    def __post_init__(self) -> None:
        for name in ("memory_gib", "run_gib"):
            value = getattr(self, name)
            require(value is None or value > 0, f"budget.{name.replace('_', '-')}", "must be above 0, or absent")
        require(self.processes >= 1, "budget.processes", "must be at least 1")

    @property
    def memory_bytes(self) -> float:
        """Of all runs together."""
        if self.memory_gib is not None:
            return self.memory_gib * GIB
        return _SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass(kw_only=True)
class ExpectedCosts:
    """Learns from runs that ended."""

    budget: Budget
    _peaks: dict[tuple[object, ...], int] = field(default_factory=dict)
    _seconds: dict[tuple[object, ...], list[float]] = field(default_factory=dict)
    _paces: list[float] = field(default_factory=list)

    def learn(self, job: Job, cost: JobCost) -> None:
        """What a run took that ended just now."""
        shape = shape_of(job)
        self._peaks[shape] = max(cost.peak_bytes, self._peaks.get(shape, 0))
        self._learn_seconds(job, cost.seconds)

    def learn_finished(self, job: Job) -> None:
        """What a run took that had ended before, as its summary says."""
        summary = read_summary(job.path) or {}
        cost = cast("Mapping[str, float | None]", summary.get("cost", {}))
        # The larger of its process and its largest child: both may have been as large.
        peak = 2 * int(cost.get("peak_rss_bytes") or 0)
        if peak:
            shape = shape_of(job)
            self._peaks[shape] = max(peak, self._peaks.get(shape, 0))
        seconds = cost.get("wall_seconds")
        if seconds and cost.get("resumed_after_round") is None:
            self._learn_seconds(job, seconds)

    def peak_bytes(self, job: Job) -> int | None:
        """Expected; None where nothing is known."""
        known = self._peaks.get(shape_of(job))
        if known is not None:
            return known
        return None if self.budget.run_gib is None else int(self.budget.run_gib * GIB)

    def fits(self, job: Job, beside: Iterable[Job]) -> bool:
        """Whether a run may begin beside others: one of whose like nothing is known only by itself."""
        others = [self.peak_bytes(other) for other in beside]
        own = self.peak_bytes(job)
        if not others:
            return True
        if own is None or None in others:
            return False
        return own + sum(cast("list[int]", others)) <= self.budget.memory_bytes

    def seconds(self, job: Job) -> float | None:
        """Expected; None where no run has ended yet."""
        alike = self._seconds.get((shape_of(job), work_of(job)))
        if alike:
            return sum(alike) / len(alike)
        return work_of(job) * sum(self._paces) / len(self._paces) if self._paces else None

    def _learn_seconds(self, job: Job, seconds: float) -> None:
        work = work_of(job)
        self._seconds.setdefault((shape_of(job), work), []).append(seconds)
        self._paces.append(seconds / work)


def shape_of(job: Job) -> tuple[object, ...]:
    """What runs must have alike to take alike."""
    flat = job.config.to_flat()
    return tuple(
        (key, value)
        for key, value in flat.items()
        if key in _ALSO_SHAPE or (key.startswith(_SHAPE) and not key.endswith(_NOT_SHAPE))
    )


def work_of(job: Job) -> float:
    """How much there is to do, in devices' steps: only its proportions matter."""
    config = job.config
    plan, evaluation = config.plan, config.evaluation
    users = config.data.users or plan.cohort_size
    steps = plan.rounds * min(plan.cohort_size, users) * plan.training.local_steps
    pairs = max(1, config.data.pairs_per_user) / 2
    asked = 0 if evaluation.skip else evaluation.users * evaluation.questions * (2 if evaluation.temperature else 1)
    return steps * pairs + 6 * _REPLY * asked + 3 * _REPLY * evaluation.by_round * plan.rounds + 1
