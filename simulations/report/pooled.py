"""Figures of a setting over all its seeds: users of all seeds together, with an interval over users; and what a private
setting keeps of the gain of its ceiling."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from simulations.evaluation.retained_gain import RetainedGain, retained_gain
from simulations.evaluation.statistics import Estimate, estimate_mean
from simulations.report.sources import RunGroup, without_seeds
from simulations.run.figure_rows import COLUMNS, Column, figure_rows

WIN = "win_rate_greedy"
_OF_PRIVACY = ("privacy.", "user-privacy.", "pair-privacy.", "secure-aggregation.", "run.")
_ALSO_OF_PRIVACY = ("federation.aggregation", "federation.attempts", "federation.sampling", "data.path")
# The more noise, the smaller a step of the server's has to be: it may be fitted to the noise, which is known before.
STEP = "federation.server-learning-rate"


def headline(group: RunGroup) -> str:
    """The metric that a setting is judged by: wins over the base where there are simulated users, else how often
    people's own pairs are told."""
    utility = group.first.summary["utility"]
    return WIN if isinstance(utility, dict) and WIN in utility else "pair_accuracy"


def pooled(group: RunGroup, column: Column) -> Estimate | None:
    """The headline over all seeds; None where it was not measured.

    The interval resamples users where each one's figure is kept; else it is the run's own, of a single seed.
    """
    wins = [run.of_users("wins", column) for run in group.runs]
    if headline(group) == WIN and all(one is not None for one in wins):
        kept = [one for one in wins if one is not None]
        return estimate_mean(np.concatenate(kept), seed=0)
    values = group.values(headline(group), COLUMNS[column])
    if not values:
        return None
    rows = [row for row in figure_rows(group.first.summary) if (row.metric, row.column) == (headline(group), column)]
    low, high, users = (rows[0].low, rows[0].high, rows[0].users) if rows else (None, None, 0)
    known = len(values) == 1 and low is not None and high is not None
    return Estimate(
        value=statistics.fmean(values),
        low=low if known and low is not None else float("nan"),
        high=high if known and high is not None else float("nan"),
        confidence=0.95,
        users=users,
        values=users,
    )


def ceiling_of(group: RunGroup, groups: Sequence[RunGroup]) -> RunGroup | None:
    """The setting without privacy that is like this one in everything else; None where there is none.

    Where none has the same step of the server's, the one that gains most of those that differ in it alone.
    """
    if group.epsilon is None:
        return None
    without = [other for other in groups if other.epsilon is None]
    own, rest = but_for_privacy(group), but_for_privacy(group, STEP)
    same = next((other for other in without if but_for_privacy(other) == own), None)
    others = [other for other in without if but_for_privacy(other, STEP) == rest]
    return same or max(others, key=_gain, default=None)


def _gain(group: RunGroup) -> float:
    found = pooled(group, "own")
    return -math.inf if found is None else found.value


def gain_kept(group: RunGroup, ceiling: RunGroup) -> RetainedGain | None:
    """What is left of the ceiling's gain, the same users drawn together; None where they did not ask the same users, or
    nothing was gained."""
    theirs = {run.seed: run for run in ceiling.runs}
    own, other = [], []
    for run in group.runs:
        beside = theirs.get(run.seed)
        if beside is None or beside.asked != run.asked:
            continue
        private, plain = run.of_users("wins", "own"), beside.of_users("wins", "own")
        if private is None or plain is None or len(private) != len(plain):
            return None
        own.append(private)
        other.append(plain)
    try:
        # Few users: resamples without any gain have no ratio, and an interval between such bounds is none.
        with np.errstate(invalid="ignore"):
            kept = retained_gain(own, other, seed=0)
    except ValueError:
        return None
    return None if math.isnan(kept.low) or math.isnan(kept.high) else kept


def but_for_privacy(group: RunGroup, *also: str) -> dict[str, object]:
    """A setting's keys without those of seeds, noise, masks and who is in a cohort, and without `also`."""
    config = without_seeds(group.first.config)
    left_out = (*_ALSO_OF_PRIVACY, *also)
    return {key: value for key, value in config.items() if not key.startswith(_OF_PRIVACY) and key not in left_out}
