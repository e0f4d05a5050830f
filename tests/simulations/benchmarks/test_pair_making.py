from __future__ import annotations

import json
from pathlib import Path

from client.candidates import Request
from simulations.benchmarks.pair_making import CANDIDATES, Case, run
from tests.tiny import language_model, message


def test_the_benchmark_times_both_ways_and_writes_what_it_returns(tmp_path: Path) -> None:
    requests = tuple(
        Request(prompt=(message("user", f"How does bread {place} rise?"),), persona="short") for place in (1, 2)
    )
    case = Case(
        name="llama",
        model=language_model("llama"),
        requests=requests,
        max_new_tokens=4,
        ranked=("Yeast eats sugar.", "Gas."),
    )
    said: list[str] = []

    report = run(tmp_path / "bench.json", cases=(case,), progress=said.append)

    assert json.loads((tmp_path / "bench.json").read_text()) == report
    assert set(report) == {"name", "versions", "machine", "results", "ratios"}
    results = json.loads(json.dumps(report["results"]))
    assert [one["way"] for one in results] == ["batched", "one by one"]
    assert all(one["pairs_per_second"] > 0 and one["candidates"] == CANDIDATES for one in results)
    assert len(said) == 2
