from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from simulations.benchmarks.fleet import run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_benchmark_measures_a_real_server_with_devices_that_answer_and_leaves_no_process(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(tmp_path / "fleet.json", levels=(3, 5), window_seconds=8.0, processes=1, progress=said.append)

    assert json.loads((tmp_path / "fleet.json").read_text()) == report
    assert {"name", "versions", "machine", "results", "ratios", "saturation", "fitted"} <= set(report)
    results = report["results"]
    assert isinstance(results, list)
    assert [(one["part"], one["devices"]) for one in results] == [
        ("idle", 3), ("round", 3), ("idle", 5), ("round", 5),
    ]  # fmt: skip
    for one in results:
        if one["part"] == "idle":
            assert one["active"] == one["devices"]
            assert one["failed_requests"] == 0
            assert 0 < one["polls_per_second"] <= 1.2 * one["polls_due_per_second"]
            assert one["cores"]["superlink"] > 0
            assert one["cores"]["front-door"] > 0
            assert one["written_bytes_per_second"] > 0
        else:
            assert (one["state"], one["replies"]) == ("finished", one["devices"])
            # Roll call and request: each fetched and answered, in several requests.
            assert one["wire_bytes_up_a_device"] > one["bytes_up_a_device"] > 80_000
            assert one["wire_bytes_down_a_device"] > one["bytes_down_a_device"] > 80_000
    assert report["fitted"]["superlink seconds a request"]  # type: ignore[index]
    left = [one for one in psutil.Process().children(recursive=True) if "tacit-fleet" in " ".join(one.cmdline())]
    assert left == []
