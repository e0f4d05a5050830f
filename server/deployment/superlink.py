"""Flower's SuperLink: how it is started, whether it lives, and what is asked of it over its Control API.

It serves Fleet, Control and Runtime API on one port, and the Control API asks for no account: so it listens on
loopback, and devices reach it through the front door alone. Other users of this machine can reach it too: a server
belongs on a machine of its own.

Flower's modules used here are internal: its version is pinned, and tests run all of this for real.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import grpc
import httpx
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from server.deployment.bundle import Bundle
from server.deployment.devices import DeviceBook, EnrolledDevice
from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.running import LOOPBACK, Running

_LOG = logging.getLogger(__name__)
_GONE = "unregistered"
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
_DATABASE_MILLISECONDS = "25000"  # Flower's clients give a request 30 s
_NOT_NOW = frozenset({502, 503, 504})
NodeState = Literal["online", "offline", "registered"]


class UnansweredError(DeploymentError):
    """SuperLink is silent: it starts, or has died. What was asked of it can be asked again."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """Attributes:
    node: Flower's id.
    public_key: as Flower keeps it.
    state: "registered" has never connected.
    """

    node: int
    public_key: bytes
    state: str


def superlink_arguments(directory: ServerDirectory, running: Running) -> list[str]:
    """Arguments of `flower-superlink`."""
    certificate, key = directory.certificate("superlink")
    return [
        "--ssl-certfile", str(certificate), "--ssl-keyfile", str(key), "--ssl-ca-certfile", str(directory.authority),
        "--enable-supernode-auth", "--isolation", "process", "--superexec-auth-secret-file", str(directory.secret),
        "--database", str(directory.state / "superlink.db"), "--host", LOOPBACK, "--port", str(running.superlink),
        "--health-server-address", f"{LOOPBACK}:{running.health}",
    ]  # fmt: skip


def flower_environment(directory: ServerDirectory) -> dict[str, str]:
    """What every process of Flower's is told: its place, and to call nobody and install nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLWR_")}
    return kept | {
        "FLWR_HOME": str(directory.state / "flower"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }


def run_superlink(directory: ServerDirectory, running: Running) -> None:
    """Becomes SuperLink; does not return."""
    from flwr.superlink.cli import flower_superlink

    wait_longer_for_the_database()
    # Every request makes thousands of objects, and a full collection looks at all that was ever imported: with Python's
    # thresholds a tenth of SuperLink's time.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 50, 100)
    sys.argv = ["flower-superlink", *superlink_arguments(directory, running)]
    flower_superlink()


def wait_longer_for_the_database() -> None:
    """Has this process's connections to SQLite wait for each other for almost as long as a device waits for an answer.

    After Flower's 5 s SuperLink answers 500 ("database is locked"), upon which a SuperNode ends and a run is lost. A
    round of 25 devices on a slow core is enough: SQLite serves whoever asks in a lucky moment, not whoever came first.
    """
    sql = import_module("flwr.supercore.sql_mixin")
    known = dict(sql.SQLITE_PRAGMAS)
    if "busy_timeout" not in known:
        raise DeploymentError("this version of Flower keeps its database in another way than Tacit knows")
    setattr(sql, "SQLITE_PRAGMAS", tuple({**known, "busy_timeout": _DATABASE_MILLISECONDS}.items()))  # noqa: B010


def is_serving(running: Running, *, timeout: float = 2.0) -> bool:
    """Whether SuperLink's gRPC health service says so."""
    with grpc.insecure_channel(f"{LOOPBACK}:{running.health}") as channel:
        try:
            said = HealthStub(channel).Check(HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError:
            return False
    return bool(said.status == HealthCheckResponse.SERVING)


class SuperLinkControl:
    """What an operator may ask of SuperLink.

    Every method raises DeploymentError where it refuses, and UnansweredError, which is one, where it is silent.
    """

    def __init__(self, client: ControlHttpClient) -> None:
        self._client = client

    def nodes(self) -> tuple[Node, ...]:
        """Nodes that are registered."""
        with _explained("list its nodes"):
            said = self._client.ListNodes(ListNodesRequest())
        return tuple(
            Node(node=one.node_id, public_key=one.public_key, state=one.status)
            for one in said.nodes_info
            if one.status != _GONE
        )

    def register(self, device: EnrolledDevice) -> None:
        """Lets a device's node connect."""
        key = public_key_to_bytes(device.card.public_key())
        with _explained(f"register device {device.number}"):
            self._client.RegisterNode(RegisterNodeRequest(public_key=key, name=f"device-{device.number}"))

    def numbers(self, devices: tuple[EnrolledDevice, ...]) -> dict[int, int]:
        """The number of each of these devices by Flower's id of its node, whose key it proves at every connection."""
        by_key = {public_key_to_bytes(one.card.public_key()): one.number for one in devices}
        return {node.node: by_key[node.public_key] for node in self.nodes() if node.public_key in by_key}

    def unregister(self, node: int) -> None:
        """Lets a node connect no more."""
        with _explained("unregister a node"):
            self._client.UnregisterNode(UnregisterNodeRequest(node_id=node))

    def start_run(self, bundle: Bundle, settings: Mapping[str, str]) -> int:
        """Starts a run of a bundle; Flower's id of it."""
        request = StartRunRequest(
            fab=fab_to_proto(Fab(bundle.digest, bundle.content, {})),
            override_config=user_config_to_proto(dict(settings)),
        )
        with _explained("start a run"):
            said = self._client.StartRun(request)
        if not said.HasField("run_id"):
            raise DeploymentError("SuperLink did not start the run: see logs/superlink.log")
        return int(said.run_id)

    def stop_run(self, run: int) -> None:
        """Ends a run. One that has ended, or is unknown, is left as it is."""
        try:
            self._client.StopRun(StopRunRequest(run_id=run))
        except httpx.HTTPStatusError as error:
            _LOG.debug("SuperLink has no such run to stop (%d)", error.response.status_code)
        except httpx.HTTPError as error:
            raise UnansweredError(f"SuperLink does not answer ({type(error).__name__})") from None

    def run_states(self) -> dict[int, str]:
        """Flower's status of each run by its id: "pending", "starting", "running" or "finished:..."."""
        with _explained("list its runs"):
            said = self._client.ListRuns(ListRunsRequest())
        return {
            run: one.status.status + (f":{one.status.sub_status}" if one.status.sub_status else "")
            for run, one in said.run_dict.items()
        }

    def follow(self, book: DeviceBook) -> tuple[int, int]:
        """Makes SuperLink's nodes those of the devices that are not revoked; how many were added and removed."""
        with book.telling() as devices:
            there = {node.public_key: node.node for node in self.nodes()}
            wanted = {public_key_to_bytes(one.card.public_key()): one for one in devices if one.revoked is None}
            added = [device for key, device in wanted.items() if key not in there]
            removed = [node for key, node in there.items() if key not in wanted]
            for node in removed:
                self.unregister(node)
            for device in added:
                self.register(device)
        return len(added), len(removed)


@contextmanager
def connected(directory: ServerDirectory, running: Running) -> Iterator[SuperLinkControl]:
    """A connection to SuperLink's Control API."""
    client = ControlHttpClient.from_server_address(
        server_address=running.address,
        insecure=False,
        root_certificates=_certificates(directory.authority),
        interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
    )
    try:
        yield SuperLinkControl(client)
    finally:
        client.close()


def _certificates(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeploymentError(f"cannot read {path}: {error.strerror}") from None


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.status_code in _NOT_NOW:
            raise UnansweredError(f"SuperLink cannot {doing} now (status {error.response.status_code})") from None
        said = error.response.text[:200]
        raise DeploymentError(f"SuperLink refused to {doing} (status {error.response.status_code}: {said})") from None
    except httpx.HTTPError as error:
        raise UnansweredError(f"SuperLink does not answer ({type(error).__name__}): is it starting?") from None
