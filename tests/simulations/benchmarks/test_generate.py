from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.generate import BATCHED, PEER, SINGLE, Case, run
from tests.tiny import language_model, message


def test_the_benchmark_writes_the_same_replies_in_every_way(tmp_path: Path) -> None:
    case = Case(
        name="llama",
        model=language_model("llama"),
        conversations=tuple(
            (message("user", text),) for text in ("How does bread rise?", "Why?", "Tell me of yeast and sugar.")
        ),
        max_new_tokens=6,
        batch_size=3,
    )
    said: list[str] = []

    report = run(tmp_path / "bench.json", cases=(case,), repeats=1, progress=said.append)

    assert json.loads((tmp_path / "bench.json").read_text()) == report
    results = json.loads(json.dumps(report["results"]))
    assert [one["way"] for one in results] == [BATCHED, SINGLE, PEER]
    assert all(one["same_texts_as_batched"] == 1.0 and one["replies_per_second"] > 0 for one in results)
    assert results[0]["characters"] > 0
    assert len(report["ratios"]) == 2  # type: ignore[arg-type]
    assert len(said) == 3
