from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.import_speed import run


def test_the_benchmark_measures_imports_and_what_a_script_would_do(tmp_path: Path) -> None:
    said: list[str] = []

    report = run(tmp_path / "import.json", megabytes=10, directory=tmp_path, progress=said.append)

    assert json.loads((tmp_path / "import.json").read_text()) == report
    assert [path.name for path in tmp_path.iterdir()] == ["import.json"]
    results = report["results"]
    assert isinstance(results, list)
    assert [one["part"] for one in results] == [
        "import", "json.load", "import", "import again", "import into a plain file",
    ]  # fmt: skip
    assert [one["export_bytes"] // 10**6 for one in results] == [1, 1, 10, 10, 10]
    assert all(one["read"] == one["conversations"] > 20 for one in results)
    assert results[2]["added"] == results[3]["unchanged"] == results[2]["read"]
    assert results[2]["choices"] > results[2]["read"] / 2
    assert all(one["grown_bytes"] < 80e6 for one in results if one["part"] != "json.load")
    assert len(said) == 5
    assert len(report["ratios"]) == 2  # type: ignore[arg-type]
