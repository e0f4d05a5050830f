from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.privacy import run


def test_the_benchmark_measures_both_sides_and_writes_what_it_returns(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(tmp_path / "privacy.json", devices=1, updates=3, progress=said.append)

    assert json.loads((tmp_path / "privacy.json").read_text()) == report
    assert {"name", "versions", "machine", "results", "ratios"} <= set(report)
    assert all(ratio > 0 for ratio in report["ratios"].values())  # type: ignore[attr-defined]
    assert len(said) == 2
