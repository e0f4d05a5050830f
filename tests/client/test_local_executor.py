"""What ends a message ends no device."""

from __future__ import annotations

import httpx
import pytest
from flwr.proto.runtime_pb2 import SendTaskHeartbeatRequest
from flwr.supercore.protobuf.client import ProtobufRequestContext

from client.local_executor import _heartbeat_of, _Patience, _StalledError


def _context(method: str) -> ProtobufRequestContext:
    return ProtobufRequestContext(
        rpc_method=f"/flwr.proto.Runtime/{method}",
        message=SendTaskHeartbeatRequest(),
        request=httpx.Request("POST", "http://127.0.0.1"),
    )


def test_a_message_of_which_no_part_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("client.local_executor.time.monotonic", lambda: now[0])
    patience = _Patience()

    def pull(seconds: float, size: int, method: str = "PullObject") -> None:
        now[0] = seconds
        patience.intercept(_context(method), lambda _: httpx.Response(200, content=b"x" * size))

    pull(40, 2)
    pull(43, 1000)  # a part: the wait begins anew
    pull(85, 2)
    pull(89, 2, "PushObject")
    with pytest.raises(_StalledError):
        pull(89, 2)


class _Ended:
    def SendTaskHeartbeat(self, _: SendTaskHeartbeatRequest) -> None:  # noqa: N802  # Flower's name
        raise RuntimeError


def test_a_heartbeat_for_a_run_that_was_ended_interrupts_nobody() -> None:
    assert _heartbeat_of(_Ended())() is True  # type: ignore[arg-type]
