"""A device as a SuperLink sees it, without the 260 MB of a SuperNode and its executor: its requests, nothing behind.

It speaks through Flower's own client of the Fleet API, signs, beats and retries with Flower's own code, and follows a
SuperNode's loop (`flwr.supernode.start_client_internal`): it asks every 3 s, fetches the run, its bundle and a
message's objects, confirms, and pushes its reply. It trains nothing: its update is a random vector of the right size
and norm.

Flower's modules used here are internal: its version is pinned, and tests run all of this against a real SuperLink.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import httpx
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL
from flwr.common.serde import message_from_proto, message_to_proto, run_from_proto
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    pull_objects,
    push_object_contents_from_iterable,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from shared.messages import ROLL_CALL, TRAIN, PublicMetrics, RollCallReply, TrainReply, TrainRequest

POLL_SECONDS = 3.0  # as literally in Flower's SuperNode
_CALL_SECONDS = 30.0  # as in Flower's client
_JUST_BELOW = 0.999  # of the clipping norm
_MADE_UP = PublicMetrics(loss=0.7, accuracy=0.5, pairs=10, update_norm=1.0, forwards=1, tokens=1000, seconds=0.3)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        what: Flower's name of the procedure, such as "PullMessages".
        seconds: until its whole answer was there.
        status: HTTP's; 0 where the connection failed.
        bytes_up, bytes_down: of both bodies.
    """

    what: str
    seconds: float
    status: int
    bytes_up: int
    bytes_down: int


class _Metered:
    """Tells of every request. Innermost of the interceptors, so that signing is not in the time."""

    def __init__(self, tell: Callable[[Request], None]) -> None:
        self._tell = tell

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """See `flwr.supercore.protobuf.client`."""
        began, status, down = time.perf_counter(), 0, 0
        try:
            response = call_next(context)
            status, down = response.status_code, len(response.content)
            return response
        finally:
            self._tell(
                Request(
                    what=context.rpc_method.rsplit("/", 1)[-1],
                    seconds=time.perf_counter() - began,
                    status=status,
                    bytes_up=len(context.request.content),
                    bytes_down=down,
                )
            )


class _FleetClient(FleetHttpClient):
    """Flower's client, from an address of this machine's that is chosen: one address gets few connections."""

    def __init__(
        self,
        address: str,
        key: ec.EllipticCurvePrivateKey,
        trust: ssl.SSLContext,
        metered: _Metered,
        source: str | None,
    ) -> None:
        super().__init__(
            f"https://{address}",
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(key, key.public_key()),
                metered,
            ],
            verify=trust,
        )
        if source is not None:
            self._client.close()
            transport = httpx.HTTPTransport(verify=trust, local_address=source)
            self._client = httpx.Client(transport=transport, timeout=_CALL_SECONDS)


class ProtocolDevice(threading.Thread):
    """One device, in a thread of its own (Flower's heartbeats have another).

    Attributes:
        active: set while the SuperLink has let it in.
        answered: messages whose replies were pushed.
        ended: why it is no longer there; "" while it is, and where it was told to stop.
    """

    def __init__(
        self,
        number: int,
        key: ec.EllipticCurvePrivateKey,
        *,
        address: str,
        trust: ssl.SSLContext,
        stop: threading.Event,
        tell: Callable[[Request], None] = lambda _request: None,
        answer: Callable[[Message], Message] | None = None,
        source: str | None = None,
        wait_seconds: float = 0.0,
    ) -> None:
        """Args:
        number: that it was enrolled under, and names.
        key: P-384, that its node is known by.
        address: HOST:PORT of the front door.
        trust: the server's authority; may be shared.
        stop: ends it.
        tell: is told of every request, from several threads.
        answer: makes its replies, as a ClientApp does; None makes up updates.
        source: address of this machine to connect from; None leaves it to the system.
        wait_seconds: before it connects, so that devices do not ask in step.
        """
        super().__init__(daemon=True, name=f"device-{number}")
        self._number, self._key, self._wait_seconds = number, key, wait_seconds
        self._asked_to_stop = stop
        self._reply = answer or self._made_up
        self._open = partial(_FleetClient, address, key, trust, _Metered(tell), source)
        self._retry = make_simple_http_retry_invoker()
        self._bundles: set[int] = set()  # runs whose bundle it has
        self.active = threading.Event()
        self.answered = 0
        self.ended = ""

    def run(self) -> None:
        """The loop of a SuperNode."""
        self._asked_to_stop.wait(self._wait_seconds)
        if self._asked_to_stop.is_set():
            return
        try:
            with self._open() as client:
                self._serve(client)
        except Exception as error:  # a thread has nobody to raise to
            self.ended = type(error).__name__
        finally:
            self.active.clear()

    def _serve(self, client: FleetHttpClient) -> None:
        public = public_key_to_bytes(self._key.public_key())
        request = ActivateNodeRequest(public_key=public, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
        node = Node(node_id=self._retry.invoke(client.ActivateNode, request).node_id)
        heartbeats = HeartbeatSender(lambda: _beat(client, node))
        heartbeats.start()
        self.active.set()
        try:
            while not self._asked_to_stop.is_set():
                said = self._retry.invoke(client.PullMessages, PullMessagesRequest(node=node))
                if said.messages_list:
                    self._answer(client, node, message_from_proto(said.messages_list[0]), said.message_object_trees[0])
                else:
                    self._asked_to_stop.wait(POLL_SECONDS)
        finally:
            if heartbeats.is_running:
                heartbeats.stop()
            client.DeactivateNode(DeactivateNodeRequest(node_id=node.node_id))

    def _answer(self, client: FleetHttpClient, node: Node, bare: Message, tree: ObjectTree) -> None:
        run, retry = bare.metadata.run_id, self._retry
        if run not in self._bundles:
            found = run_from_proto(retry.invoke(client.GetRun, GetRunRequest(node=node, run_id=run)).run)
            retry.invoke(client.GetFab, GetFabRequest(node=node, hash_str=found.fab_hash, run_id=run))
            self._bundles.add(run)
        pull = make_pull_object_fn_protobuf(lambda one: retry.invoke(client.PullObject, one), node, run)
        identity = bare.metadata.message_id
        objects = pull_objects([part.object_id for part in iterate_object_tree(tree)], pull_object_fn=pull)
        make_confirm_message_received_fn_protobuf(
            lambda one: retry.invoke(client.ConfirmMessageReceived, one), node, run
        )(identity)
        message = inflate_object_from_contents(identity, objects)
        if not isinstance(message, Message):
            raise TypeError("the SuperLink handed out something else than a message")
        message.metadata.__dict__["_message_id"] = identity
        reply = self._reply(message)
        with no_object_id_recompute():
            reply.metadata.__dict__["_message_id"] = reply.object_id
            whole = get_object_tree(reply)
            parts = get_all_nested_objects(reply)
            said = retry.invoke(
                client.PushMessages,
                PushMessagesRequest(
                    node=node,
                    messages_list=[message_to_proto(remove_content_from_message(reply))],
                    message_object_trees=[whole],
                    clientapp_runtime_list=[0.0],
                ),
            )
            wanted = set(said.objects_to_push)
            push_object_contents_from_iterable(
                [(name, part.deflate()) for name, part in parts.items() if name in wanted],
                make_push_object_fn_protobuf(
                    lambda one: retry.invoke(client.PushObject, one), node, run, said.session_id
                ),
            )
        self.answered += 1

    def _made_up(self, message: Message) -> Message:
        return Message(_made_up(message, self._number), reply_to=message)


def _beat(client: FleetHttpClient, node: Node) -> bool:
    request = SendNodeHeartbeatRequest(node=node, heartbeat_interval=HEARTBEAT_DEFAULT_INTERVAL)
    try:
        return bool(client.SendNodeHeartbeat(request).success)
    except httpx.HTTPError:
        return False


def _made_up(message: Message, number: int) -> RecordDict:
    """What it says. Raises: MessageError, ValueError: something that such a device is not asked."""
    asked = message.metadata.message_type
    if asked == ROLL_CALL:
        return RollCallReply(device=number).to_record()
    if asked != TRAIN:
        raise ValueError(f"a protocol-level device does not answer {asked!r}")
    request = TrainRequest.from_record(message.content)
    made = np.random.default_rng(number).standard_normal(len(request.vector))
    length = request.plan.clipping_norm * _JUST_BELOW
    return TrainReply(
        status="trained",
        request_digest=request.digest(),
        vector=(made * (length / np.linalg.norm(made))).astype(np.float32),
        metrics=None if request.plan.is_private else _MADE_UP,
    ).to_record()
