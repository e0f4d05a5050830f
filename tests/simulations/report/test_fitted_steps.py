"""A private setting whose server takes smaller steps is held to the same ceiling as the others, and to no lower one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from simulations.report.frontier import _series
from simulations.report.pooled import ceiling_of
from simulations.report.sources import RunGroup, read_source
from tests.simulations.report.made import make_run

_WINS = {"high": np.array([1.0] * 9 + [0.0]), "low": np.array([1.0] * 6 + [0.0] * 4)}


@pytest.fixture
def groups(tmp_path: Path) -> dict[str, RunGroup]:
    def made(name: str, *, wins: str, epsilon: float | None, step: float, cohort: int = 5) -> RunGroup:
        path = make_run(
            tmp_path / name, wins=_WINS[wins], epsilon=epsilon, federation__server_learning_rate=step,
            federation__cohort_size=cohort,
        )  # fmt: skip
        (group,) = read_source(path).groups
        return group

    return {
        "none-1": made("none-1", wins="low", epsilon=None, step=1.0),
        "none-2": made("none-2", wins="high", epsilon=None, step=2.0),
        "four": made("four", wins="low", epsilon=4.0, step=1.0),
        "one": made("one", wins="low", epsilon=1.0, step=0.25),
        "one-again": made("one-again", wins="low", epsilon=1.0, step=0.5),
        "elsewhere": made("elsewhere", wins="low", epsilon=1.0, step=0.25, cohort=4),
    }


def test_the_ceiling_has_the_same_step_or_gains_most(groups: dict[str, RunGroup]) -> None:
    every = list(groups.values())

    assert ceiling_of(groups["four"], every) is groups["none-1"]
    assert ceiling_of(groups["one"], every) is groups["none-2"]
    assert ceiling_of(groups["elsewhere"], every) is None
    assert ceiling_of(groups["none-1"], every) is None


def test_a_series_goes_through_fitted_steps_and_not_through_two_steps_at_one_epsilon(
    groups: dict[str, RunGroup],
) -> None:
    four, one, again = groups["four"], groups["one"], groups["one-again"]

    assert [series.groups for series in _series([four, one])] == [(four, one)]
    assert [series.groups for series in _series([four, one, again])] == [(four,), (one,), (again,)]
