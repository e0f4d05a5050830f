from __future__ import annotations

import json
from pathlib import Path

from shared.language_model import ModelConfig, load_language_model
from simulations.benchmarks.serve import run


def test_serving_is_timed_beside_generate(tmp_path: Path) -> None:
    said: list[str] = []
    model = load_language_model(ModelConfig(device="cpu"))

    report = run(tmp_path / "serve.json", model=model, prompt_words=8, new_tokens=6, repeats=2, progress=said.append)

    assert json.loads((tmp_path / "serve.json").read_text()) == report
    ratios = report["ratios"]
    assert isinstance(ratios, dict)
    assert len(ratios) == 8
    assert all(ratio > 0 for ratio in ratios.values())
    results = json.loads(json.dumps(report["results"]))
    assert [one["way"] for one in results] == ["serve", "generate", "serve, next turn"] * 2
    assert all(len(one["per_token_seconds_each"]) == 2 and one["first_token_seconds"] > 0 for one in results)
    assert len(said) == 6
