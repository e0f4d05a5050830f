from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from server.releases import read_rounds
from simulations.benchmarks.memory import SIMULATION_LIMIT, Part, run
from simulations.benchmarks.own_process import resident_bytes
from simulations.benchmarks.quick_devices import quick_client
from simulations.engines.inline import run_inline
from tests.federation import FewDevices, adapter_vector, plan

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")


@pytest.mark.slow
def test_a_million_users_take_less_than_a_gigabyte(tmp_path: Path) -> None:
    said: list[str] = []
    parts = (Part(side="server", size=3), Part(side="simulation", size=1_000_000))

    report = run(tmp_path / "memory.json", parts=parts, progress=said.append)

    assert json.loads((tmp_path / "memory.json").read_text()) == report
    results = json.loads(json.dumps(report["results"]))
    assert [one["part"] for one in results] == ["server, 3 updates", "simulation, 1,000,000 users"]
    assert all(5e7 < one["before_bytes"] <= one["peak_bytes"] for one in results)
    assert results[1]["peak_bytes"] < SIMULATION_LIMIT
    assert len(said) == 2


def test_quick_devices_answer_as_real_ones_would(tmp_path: Path) -> None:
    of = plan(rounds=1, cohort_size=4)
    run_inline(of, FewDevices(), directory=tmp_path / "run", processes=0, tamper=quick_client)

    (record,) = read_rounds(tmp_path / "run")
    assert (record.replies, record.failures) == (4, ())
    moved = adapter_vector(tmp_path / "run")
    assert 0 < np.linalg.norm(moved) <= of.clipping_norm


def test_the_peak_is_at_least_what_is_held_now() -> None:
    held = np.ones(10_000_000)
    now = resident_bytes()
    assert resident_bytes("VmHWM") >= now > held.nbytes
