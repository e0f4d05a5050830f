from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.federation import Case, run
from tests.federation import FewDevices, plan


def test_the_benchmark_counts_updates_and_writes_what_it_returns(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(
        tmp_path / "bench" / "federation.json",
        cases=(Case(engine="inline", processes=0), Case(engine="inline", processes=0)),
        population=FewDevices(),
        plan=plan(rounds=3, cohort_size=2),
        progress=said.append,
    )

    assert json.loads((tmp_path / "bench" / "federation.json").read_text()) == report
    assert set(report) == {"name", "versions", "machine", "results", "ratios"}
    first = json.loads(json.dumps(report["results"]))[0]
    assert first["replies"] == 6
    assert first["updates_per_second"] > 0
    assert len(said) == 2
