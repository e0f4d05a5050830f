"""Who can be asked: the devices that answered the roll call, by number.

Cohorts are drawn over device numbers. Flower's node ids are drawn anew in every simulation, so a seed could not repeat
a run with them.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from server.exchange import exchange
from shared.messages import ROLL_CALL, MessageError, RollCallReply

_LOG = logging.getLogger(__name__)
_WAIT = 0.2


class RosterError(RuntimeError):
    """Not enough devices answered the roll call in time."""


@runtime_checkable
class KnownDevices(Protocol):
    """A grid that knows its devices by number, so that a million of them need no roll call."""

    @property
    def device_nodes(self) -> Sequence[int]:
        """Node ids by device number."""
        ...


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Attributes:
    devices: numbers, ascending.
    nodes: node id by number.
    """

    devices: Sequence[int]
    nodes: Mapping[int, int] | Sequence[int]

    def cohort(self, size: int, *, seed: int, round_number: int, attempt: int) -> list[int]:
        """Device numbers of a round, ascending: drawn without replacement by a seed that all the engines share."""
        if size >= len(self.devices):
            return list(self.devices)
        drawn = stream(f"cohort/{seed}/{round_number}/{attempt}").choice(len(self.devices), size=size, replace=False)
        return sorted(self.devices[int(place)] for place in drawn)

    def node(self, device: int) -> int:
        """Flower's id of a device."""
        return self.nodes[device]


def stream(purpose: str) -> np.random.Generator:
    """Random numbers for one purpose, by SHA-256: the same on every machine."""
    key = hashlib.sha256(f"tacit/{purpose}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(key[:16], "little")))


def call_roll(grid: Grid, *, devices: int, timeout: float) -> Roster:
    """Asks nodes which device they are, until `devices` of them have answered.

    A number that two nodes claim belongs to neither.

    Raises:
        RosterError: too few in `timeout` seconds.
    """
    if isinstance(grid, KnownDevices):
        known = grid.device_nodes
        if len(known) < devices:
            raise RosterError(f"the plan waits for {devices} devices, and there are {len(known)}")
        return Roster(devices=range(len(known)), nodes=known)
    deadline = time.monotonic() + timeout
    number_of: dict[int, int] = {}
    while True:
        new = [node for node in grid.get_node_ids() if node not in number_of]
        if new:
            number_of |= _ask(grid, new, timeout=max(0.0, deadline - time.monotonic()))
        claims: dict[int, list[int]] = {}
        for node, number in number_of.items():
            claims.setdefault(number, []).append(node)
        nodes = {number: claimants[0] for number, claimants in claims.items() if len(claimants) == 1}
        if len(nodes) >= devices:
            _LOG.info("%d devices answered the roll call", len(nodes))
            return Roster(devices=sorted(nodes), nodes=nodes)
        if time.monotonic() >= deadline:
            raise RosterError(
                f"{len(nodes)} of the {devices} devices that the plan waits for answered the roll call in {timeout:g} s"
            )
        time.sleep(_WAIT)


def _ask(grid: Grid, nodes: Sequence[int], *, timeout: float) -> dict[int, int]:
    messages = [Message(RecordDict(), node, ROLL_CALL, ttl=max(timeout, 1.0)) for node in nodes]
    found: dict[int, int] = {}
    for reply, node in zip(exchange(grid, messages, timeout=timeout), nodes, strict=True):
        if reply is not None and reply.has_content():
            try:
                found[node] = RollCallReply.from_record(reply.content).device
            except MessageError as error:
                _LOG.warning("node %d answered the roll call with something else: %s", node, error)
    return found
