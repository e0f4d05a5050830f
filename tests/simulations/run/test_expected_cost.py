"""How many runs go side by side: as many as fit, by what the first of their kind took."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.flat_config import ConfigError
from simulations.run.config import read_preset
from simulations.run.expected_cost import GIB, Budget, ExpectedCosts, shape_of, work_of
from simulations.run.many import run_many
from simulations.run.side_by_side import Job, JobCost


def _job(path: Path = Path("nowhere"), **changes: object) -> Job:
    flat = {**read_preset("smoke"), **{key.replace("__", ".").replace("_", "-"): v for key, v in changes.items()}}
    return Job(name="a run", flat=flat, path=path)


def test_runs_are_alike_whatever_their_seed_noise_and_step() -> None:
    one = _job(federation__seed=1, federation__server_learning_rate=2.0, training__beta=0.2)
    assert shape_of(one) == shape_of(_job(federation__seed=2))
    for other in (_job(adapter__rank=8), _job(federation__cohort_size=5), _job(evaluation__users=9)):
        assert shape_of(other) != shape_of(one)


def test_the_first_of_a_kind_runs_by_itself_and_decides_how_many_follow() -> None:
    costs = ExpectedCosts(budget=Budget(memory_gib=5.0))
    small, large = _job(), _job(adapter__rank=64)
    assert costs.fits(small, [])
    assert not costs.fits(small, [small])
    costs.learn(small, JobCost(seconds=10.0, peak_bytes=2 * GIB))
    assert costs.fits(small, [small])
    assert not costs.fits(small, [small, small])
    assert not costs.fits(large, [small])
    costs.learn(large, JobCost(seconds=10.0, peak_bytes=4 * GIB))
    assert not costs.fits(large, [small])
    assert costs.fits(large, [])


def test_what_is_expected_of_a_run_stands_in_until_one_has_ended() -> None:
    costs = ExpectedCosts(budget=Budget(memory_gib=4.0, run_gib=2.0))
    assert costs.fits(_job(), [_job()])
    assert not costs.fits(_job(), [_job(), _job()])


def test_time_is_expected_by_like_runs_and_else_by_how_much_there_is_to_do() -> None:
    costs = ExpectedCosts(budget=Budget())
    assert costs.seconds(_job()) is None
    costs.learn(_job(), JobCost(seconds=10.0, peak_bytes=1))
    costs.learn(_job(), JobCost(seconds=20.0, peak_bytes=1))
    assert costs.seconds(_job(federation__seed=9)) == 15.0
    longer = _job(federation__rounds=40)
    assert work_of(longer) > work_of(_job())
    expected = costs.seconds(longer)
    assert expected is not None
    assert expected == pytest.approx(15.0 * work_of(longer) / work_of(_job()))


def test_a_finished_run_tells_what_it_took(tmp_path: Path) -> None:
    cost = {"wall_seconds": 30.0, "resumed_after_round": None, "peak_rss_bytes": GIB}
    (tmp_path / "summary.json").write_text(json.dumps({"cost": cost}))
    costs = ExpectedCosts(budget=Budget())
    costs.learn_finished(_job(tmp_path))
    assert costs.seconds(_job()) == 30.0
    assert costs.peak_bytes(_job()) == 2 * GIB  # its process and a child


def test_a_run_that_is_larger_than_all_that_there_may_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"budget.memory-gib: a run takes 2.0 GiB, and 1.0 are there"):
        run_many([_job(tmp_path / "run")], processes=1, command="a test", budget=Budget(memory_gib=1.0, run_gib=2.0))
    assert not (tmp_path / "run").exists()
