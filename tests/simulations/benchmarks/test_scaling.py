from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from simulations.benchmarks.power_law import fit_exponent
from simulations.benchmarks.scaling import run


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_the_benchmark_fits_an_exponent_to_each_cost(tmp_path: Path) -> None:
    said: list[str] = []
    sizes = {"d of the server": (1, 2, 3), "tokens": (16, 32, 64)}

    report = run(tmp_path / "scaling.json", sizes=sizes, progress=said.append)

    assert json.loads((tmp_path / "scaling.json").read_text()) == report
    results = json.loads(json.dumps(report["results"]))
    assert [(one["what"], one["setting"]) for one in results] == [
        (what, size) for what, of in sizes.items() for size in of
    ]
    assert results[1]["size"] == 2 * results[0]["size"]  # d is in proportion to the rank
    assert all(one["seconds"] > 0 and one["added_bytes"] > 0 for one in results)
    assert set(report["exponents"]) == set(sizes)  # type: ignore[call-overload]
    assert len(said) == 6 + 4


def test_an_exponent_is_that_of_the_power_law() -> None:
    sizes = [1.0, 10.0, 100.0, 1000.0]
    exact = fit_exponent(sizes, [3.0 * size**1.5 for size in sizes])
    assert exact.value == pytest.approx(1.5)
    assert exact.high - exact.low < 1e-6


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    sizes = np.array([1.0, 2, 4, 8, 16, 32])
    covered = 0
    for _ in range(400):
        found = fit_exponent(sizes.tolist(), (sizes**0.5 * np.exp(0.1 * random.standard_normal(6))).tolist())
        covered += found.low <= 0.5 <= found.high
    assert 0.92 < covered / 400 < 0.98


def test_two_points_give_no_exponent() -> None:
    with pytest.raises(ValueError, match="three sizes"):
        fit_exponent([1, 2], [1, 2])
    with pytest.raises(ValueError, match="not all equal"):
        fit_exponent([2, 2, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="above 0"):
        fit_exponent([1, 2, 3], [0, 2, 3])
