from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl", reason="TRL comes with the extra tacit[bench]")

from simulations.benchmarks import dpo_step


def test_every_case_is_timed_and_compared_like_for_like(tmp_path: Path) -> None:
    said: list[str] = []
    report = dpo_step.run(
        tmp_path / "dpo.json", prompts=(16,), repetitions=1, threads=1, measure_memory=False, progress=said.append
    )

    assert json.loads((tmp_path / "dpo.json").read_text()) == report
    results = json.loads(json.dumps(report["results"]))
    seconds = {row["case"]: row["median_seconds"] for row in results}
    assert set(dpo_step.CASES) < set(seconds)
    assert report["ratios"] == {
        "speedup, prompt 16, own reference": seconds[dpo_step.PEER] / seconds[dpo_step.PRIVATE],
        "speedup, prompt 16, cached reference": seconds[dpo_step.PEER_CACHED] / seconds[dpo_step.PRIVATE_CACHED],
    }
    assert len(said) == len(results)


@pytest.mark.slow
def test_memory_is_the_measured_processs_own_and_not_its_parents() -> None:
    ballast = np.ones(2**28)  # 2 GiB that this process holds while it starts the other

    measured = dpo_step._measure_memory(dpo_step.PRIVATE, dpo_step.StepSize(prompt=16), threads=1)

    assert 0 < measured < ballast.nbytes / 2
