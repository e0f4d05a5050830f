"""What ends a message ends no device."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from flwr.clientapp import ClientApp
from flwr.proto.runtime_pb2 import AcquireTaskResponse, SendTaskHeartbeatRequest
from flwr.proto.task_pb2 import Task
from flwr.supercore.protobuf.client import ProtobufRequestContext
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from client.local_executor import LocalExecutor, _heartbeat_of, _Patience, _StalledError
from tests.client.listening import listening


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


def test_a_message_that_is_not_stored_yet_is_asked_for_again() -> None:
    answers = [b"", b"", b"a message"]
    asked: list[str] = []

    def node(context: ProtobufRequestContext) -> httpx.Response:
        asked.append(context.rpc_method)
        return httpx.Response(200, content=answers[len(asked) - 1])

    assert _Patience().intercept(_context("PullMessages"), node).content == b"a message"
    assert len(asked) == 3


class _GivesATask(BaseHTTPRequestHandler):
    """A SuperNode that gives a task, and then not what it is about."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        gives = self.path.endswith("/acquire-task")
        answer = AcquireTaskResponse(task=Task(task_id=1, run_id=1), token="one").SerializeToString()  # noqa: S106
        self.send_response(200 if gives else 500)
        self.send_header("content-type", PROTOBUF_MEDIA_TYPE)
        self.send_header("content-length", str(len(answer) if gives else 0))
        self.end_headers()
        if gives:
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


class _SaysNothing(_GivesATask):
    """A SuperNode whose answer, and the task in it, does not come."""

    def do_POST(self) -> None:
        time.sleep(2.0)


@pytest.mark.parametrize("node", [_GivesATask, _SaysNothing])
def test_a_node_whose_message_cannot_be_answered_is_left(
    node: type[BaseHTTPRequestHandler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.local_executor._ASK_SECONDS", 0.5)
    answered: list[None] = []
    with listening(node) as port:
        executor = LocalExecutor(f"127.0.0.1:{port}", secret=bytes(32), app=ClientApp())
        thread = threading.Thread(
            target=executor.run, args=(threading.Event(),), kwargs={"answered": lambda: answered.append(None)}
        )
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert answered == []
    assert not executor.is_busy
