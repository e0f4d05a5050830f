from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.aggregate import run


def test_the_benchmark_measures_every_method_and_the_dense_way(tmp_path: Path) -> None:
    said: list[str] = []
    report = run(
        tmp_path / "aggregate.json", devices=5, rank=2, block=((40, 50), (8, 50)), blocks=3, progress=said.append
    )

    assert json.loads((tmp_path / "aggregate.json").read_text()) == report
    assert all(ratio > 0 for ratio in report["ratios"].values())  # type: ignore[attr-defined]
    results = {str(one["part"]): one for one in report["results"]}  # type: ignore[attr-defined]
    assert len(said) == len(results) == 18
    for part in ("flora", "fedex-lora", "rolora", "fedsvd", "fedask, one sum"):
        assert results[part]["error"] < 1e-13
    assert (
        0.1
        < results["flexlora"]["error"]
        <= min(results[part]["error"] for part in ("fedit", "hetlora", "lora-fair", "fedask, two sketches"))
    )
    assert all(one["model_seconds"] == 3 * one["block_seconds"] for one in report["results"][:-1])  # type: ignore[index]
