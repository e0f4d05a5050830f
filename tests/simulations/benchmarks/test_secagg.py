from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.secagg import run


def test_the_benchmark_measures_rounds_and_the_peer_and_writes_what_it_returns(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(tmp_path / "secagg.json", rounds=((6, 50),), largest=(7, 40), peer=(8, 30), progress=said.append)

    assert json.loads((tmp_path / "secagg.json").read_text()) == report
    assert {"name", "versions", "machine", "results", "ratios"} <= set(report)
    assert all(ratio > 0 for ratio in report["ratios"].values())  # type: ignore[attr-defined]
    assert len(said) == 4
