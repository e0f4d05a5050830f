from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulations.benchmarks import simulate
from simulations.benchmarks.message_cost import inline_message_seconds, ray_message_seconds
from simulations.benchmarks.pfl_peer import is_installed, run_pfl
from simulations.benchmarks.simulate import Case, DifferentWorkError, run
from simulations.engines.inline import run_inline
from tests.federation import FewDevices, adapter_vector, plan

INLINE = Case(engine="inline", processes=0)
needs_pfl = pytest.mark.skipif(not is_installed(), reason="needs Apple's pfl: make bench-peers")


def test_the_benchmark_counts_updates_and_writes_what_it_returns(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(
        tmp_path / "bench" / "simulate.json",
        cases=(INLINE,),
        repeats=2,
        messages=5,
        population=FewDevices(),
        plan=plan(rounds=3, cohort_size=2),
        progress=said.append,
    )

    assert json.loads((tmp_path / "bench" / "simulate.json").read_text()) == report
    (only,) = json.loads(json.dumps(report["results"]))
    assert only["replies"] == 12
    assert only["updates_per_second"] > 0
    assert [len(seconds) for seconds in only["round_seconds"]] == [3, 3]
    assert only["adapter_apart"] == 0.0
    assert report["skipped"] == {}
    assert set(report["message_seconds"]) == {"inline"}  # type: ignore[call-overload]
    assert len(said) == 3


def test_a_missing_peer_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "is_installed", lambda: False)
    said: list[str] = []
    report = run(
        cases=(INLINE, Case(engine="pfl", processes=1)),
        repeats=1,
        messages=0,
        population=FewDevices(),
        plan=plan(rounds=2, cohort_size=2),
        progress=said.append,
    )

    assert list(report["skipped"]) == ["pfl"]  # type: ignore[call-overload]
    assert said[0].startswith("pfl is skipped: it is not installed: pip install")
    assert "pfl" not in report["versions"]  # type: ignore[operator]
    assert len(report["results"]) == 1  # type: ignore[arg-type]


def test_devices_that_do_not_answer_are_not_counted() -> None:
    with pytest.raises(DifferentWorkError, match="not every device answered"):
        run(
            cases=(INLINE,),
            repeats=1,
            messages=0,
            population=FewDevices(failing=(0,)),
            plan=plan(rounds=2, cohort_size=4),
        )


def test_a_message_costs_time() -> None:
    assert 0 < inline_message_seconds(FewDevices(), messages=10) < 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_message_costs_time_over_ray_too() -> None:
    pytest.importorskip("ray", reason="needs tacit[sim]")
    assert 0 < ray_message_seconds(FewDevices(), messages=10, processes=1) < 60


@needs_pfl
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("processes", [1, 2])
def test_pfl_does_the_same_work(tmp_path: Path, processes: int) -> None:
    of = plan(rounds=3, cohort_size=4, devices=6)
    run_inline(of, FewDevices(devices=6), directory=tmp_path / "run", processes=0)

    done = run_pfl(of, FewDevices(devices=6), processes=processes)

    assert len(done.round_seconds) == 3
    moved = adapter_vector(tmp_path / "run")
    assert np.abs(moved).max() > 1e-3
    np.testing.assert_allclose(done.vector, moved, atol=1e-6)


def test_pfl_is_asked_for_no_other_plan() -> None:
    of = plan(cohort_size=3)
    with pytest.raises(ValueError, match="split evenly"):
        run_pfl(of, FewDevices(), processes=2)
    with pytest.raises(ValueError, match="without privacy"):
        run_pfl(replace(of, step_terms=replace(of.step_terms, optimizer="adam")), FewDevices())
