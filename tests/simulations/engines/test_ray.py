from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from server.releases import read_rounds
from server.round_record import RoundRecord
from simulations.engines.inline import run_inline
from simulations.engines.loopback import free_ports
from simulations.engines.ray import RayClusterError, run_ray
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


@contextmanager
def cluster() -> Iterator[str]:
    """A cluster of one machine, as an operator starts it; its address."""
    gcs, client = free_ports(2)
    # A short path: Ray's sockets lie in it.
    with tempfile.TemporaryDirectory(prefix="ray-") as place:
        command = [
            str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--node-ip-address", "127.0.0.1",
            "--port", str(gcs), "--ray-client-server-port", str(client), "--num-cpus", "2", "--num-gpus", "0",
            "--include-dashboard", "false", "--disable-usage-stats", "--temp-dir", place,
        ]  # fmt: skip
        # With --block, its processes end with the command.
        head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield f"127.0.0.1:{gcs}"
        finally:
            head.terminate()
            head.wait(timeout=60)


def until_it_answers(address: str) -> None:
    command = [str(Path(sys.executable).parent / "ray"), "status", "--address", address]
    for _ in range(30):
        if subprocess.run(command, capture_output=True, timeout=60).returncode == 0:
            return
    raise AssertionError("the cluster does not answer")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_cluster_gives_the_adapter_of_the_inline_engine_and_goes_on_living(tmp_path: Path) -> None:
    of, population = plan(rounds=1, cohort_size=3, round_timeout=240.0), FewDevices()
    run_inline(of, population, directory=tmp_path / "inline", processes=0)
    with cluster() as address:
        until_it_answers(address)
        run_ray(of, population, directory=tmp_path / "ray", address=address)
        until_it_answers(address)

    np.testing.assert_allclose(adapter_vector(tmp_path / "ray"), adapter_vector(tmp_path / "inline"), atol=1e-5)


def test_an_address_that_answers_nothing_is_named_at_once_and_what_to_do(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with pytest.raises(RayClusterError, match=rf"127\.0\.0\.1:{port}.*ray start"):
        run_ray(plan(rounds=1), FewDevices(), directory=tmp_path / "run", address=f"127.0.0.1:{port}")
