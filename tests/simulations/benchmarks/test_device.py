from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulations.benchmarks.device import run


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_the_benchmark_measures_every_part_in_a_process_of_its_own(tmp_path: Path) -> None:
    said: list[str] = []
    parts = ("load", "one user-private round", "train beside answers")

    report = run(tmp_path / "device.json", shapes=("tacit-tiny",), parts=parts, progress=said.append)

    assert json.loads((tmp_path / "device.json").read_text()) == report
    results = report["results"]
    assert isinstance(results, list)
    assert [one["part"] for one in results] == list(parts)
    assert all(one["seconds"] > 0 and 5e7 < one["peak_bytes"] < 5e9 for one in results)
    assert len(said) == len(parts)
