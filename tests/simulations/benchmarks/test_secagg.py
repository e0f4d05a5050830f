from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulations.benchmarks.distributed_noise import errors
from simulations.benchmarks.secagg import run


def test_the_benchmark_measures_rounds_and_the_peer_and_writes_what_it_returns(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(tmp_path / "secagg.json", rounds=((6, 50),), largest=(7, 40), peer=(12, 30), progress=said.append)

    assert json.loads((tmp_path / "secagg.json").read_text()) == report
    assert {"name", "versions", "machine", "results", "ratios"} <= set(report)
    assert all(ratio > 0 for ratio in report["ratios"].values())  # type: ignore[attr-defined]
    assert len(said) == 9


def test_distributed_noise_costs_what_it_tolerates_and_hardly_more() -> None:
    """The square root of members over those that must do: 20 of 20, 14 of 20 and 12 of 20."""
    nothing, third, corrupt = errors(members=20, dimension=20_000, tolerances=((0.0, 0.0), (0.3, 0.0), (0.3, 0.1)))

    assert 0.97 < nothing["error_ratio"] <= 1.05
    assert third["error_ratio"] / nothing["error_ratio"] == pytest.approx((20 / 14) ** 0.5, rel=0.03)
    assert corrupt["error_ratio"] / nothing["error_ratio"] == pytest.approx((20 / 12) ** 0.5, rel=0.03)
