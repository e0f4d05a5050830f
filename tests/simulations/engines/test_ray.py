from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.releases import read_rounds
from server.round_record import RoundRecord
from simulations.engines.inline import run_inline
from simulations.engines.ray import run_ray
from tests.federation import FewDevices, adapter_vector, plan

pytest.importorskip("ray", reason="needs tacit[sim]")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ray_gives_the_adapter_of_the_inline_engine(tmp_path: Path) -> None:
    of, population = plan(rounds=2, cohort_size=3, round_timeout=240.0), FewDevices(without_pairs=(1,), failing=(2,))
    seen: list[RoundRecord] = []
    run_inline(of, population, directory=tmp_path / "inline", processes=0)
    run_ray(of, population, directory=tmp_path / "ray", observe=seen.append)

    np.testing.assert_allclose(adapter_vector(tmp_path / "ray"), adapter_vector(tmp_path / "inline"), atol=1e-5)
    inline = read_rounds(tmp_path / "inline")
    assert [(record.replies, record.no_pairs) for record in seen] == [
        (record.replies, record.no_pairs) for record in inline
    ]
    # Devices are named by the node that Flower drew, and by their own number.
    assert [[failure.device for failure in record.failures] for record in seen] == [
        [failure.device for failure in record.failures] for record in inline
    ]
    assert (tmp_path / "ray" / "adapter" / "adapter_config.json").is_file()
