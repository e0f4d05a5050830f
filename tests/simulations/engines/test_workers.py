"""Workers that cannot even start fail their messages; nobody waits for them for ever."""

from __future__ import annotations

import os

import pytest

from simulations.engines.wire import Packet
from simulations.engines.workers import Handle, WorkerPool


def _dies() -> Handle:
    os._exit(3)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_worker_that_never_starts_fails_the_message_whatever_its_size() -> None:
    packets = [
        Packet(message_id=str(size), root="", objects={"x": bytes(size)})
        for size in (10, 2**22)  # within a pipe's buffer, and far above it
    ]
    with WorkerPool(_dies, processes=1) as pool:
        assert sorted(pool.run(packets)) == [(0, None), (1, None)]
