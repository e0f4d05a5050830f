"""Who can be asked: the devices that answered the roll call, by number.

Cohorts are drawn over device numbers. Flower's node ids are drawn anew in every simulation, so a seed could not repeat
a run with them.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from server.exchange import KnownDevices, pull
from shared.messages import ROLL_CALL, RollCallReply
from shared.records import MessageError

_LOG = logging.getLogger(__name__)
_WAIT = 0.2
_PATIENCE = 30.0
_AGAIN = 20.0  # seconds after which a silent node is asked once more

Numbers = Callable[[], Mapping[int, int]]
"""A device's number by its node's id, as the server enrolled them, at the moment of the call."""


class RosterError(RuntimeError):
    """Not enough devices answered the roll call in time."""


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Attributes:
    devices: numbers, ascending.
    nodes: node id by number.
    """

    devices: Sequence[int]
    nodes: Mapping[int, int] | Sequence[int]

    def knows(self, device: int) -> bool:
        """Whether a device answered the last roll call."""
        return 0 <= device < len(self.nodes) if isinstance(self.nodes, Sequence) else device in self.nodes

    def node(self, device: int) -> int:
        """Flower's id of a device."""
        return self.nodes[device]


def stream(purpose: str) -> np.random.Generator:
    """Random numbers for one purpose, by SHA-256: the same on every machine."""
    key = hashlib.sha256(f"tacit/{purpose}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(key[:16], "little")))


def call_roll(
    grid: Grid, *, devices: int, timeout: float, least: int | None = None, numbers: Numbers | None = None
) -> Roster:
    """Asks nodes which device they are, until `devices` of them have answered.

    Args:
        least: how many will do after half a minute without all; None is all.
        numbers: whose answers count: a node that claims another number than its own is left out, and so is one that
            is not enrolled. None, where nobody knows, takes each node's word, and a number that two claim belongs to
            neither.

    Raises:
        RosterError: too few in `timeout` seconds.
    """
    if isinstance(grid, KnownDevices):
        known = grid.device_nodes
        if len(known) < (devices if least is None else least):
            raise RosterError(f"the plan waits for {devices} devices, and there are {len(known)}")
        return Roster(devices=range(len(known)), nodes=known)
    began = time.monotonic()
    deadline, patience = began + timeout, began + min(timeout, _PATIENCE)
    enough = devices if least is None else least
    asked: dict[int, float] = {}
    waiting: dict[str, int] = {}
    number_of: dict[int, int] = {}
    heard: set[int] = set()
    refusals: dict[int, str] = {}
    while True:
        answered: dict[int, int] = {}
        online, now = set(grid.get_node_ids()), time.monotonic()
        # Asked again after a while: whatever dies between a device and this process takes a question or answer along.
        silent = sorted(node for node in online - heard if now - asked.get(node, -_AGAIN) >= _AGAIN)
        waiting |= _ask(grid, silent, ttl=max(deadline - now, 1.0))
        asked |= dict.fromkeys(silent, now)
        # Only those online: to ask for another's reply would make Flower burn it.
        for reply in pull(grid, [identity for identity, node in waiting.items() if node in online]):
            node = waiting.pop(reply.metadata.reply_to_message_id, None)
            if node is None:
                continue
            if reply.has_content():
                heard.add(node)
                try:
                    answered[node] = RollCallReply.from_record(reply.content).device
                except MessageError as error:
                    _LOG.warning("node %d answered the roll call with something else: %s", node, error)
            elif reply.error.code == ErrorCode.INVALID_FAB:
                heard.add(node)
                refusals[node] = "declines to run this server's code: it is not on the organiser's list that it has"
        true = answered if numbers is None or not answered else _true(answered, numbers())
        refusals |= dict.fromkeys(answered.keys() - true.keys(), "has another number than it says")
        number_of |= true
        claims: dict[int, list[int]] = {}
        for node, number in number_of.items():
            claims.setdefault(number, []).append(node)
        nodes = {number: claimants[0] for number, claimants in claims.items() if len(claimants) == 1}
        if len(nodes) >= devices or (len(nodes) >= enough and time.monotonic() >= patience):
            heed = logging.WARNING if refusals else logging.INFO
            _LOG.log(heed, "%d devices answered the roll call%s", len(nodes), _listed(refusals))
            return Roster(devices=sorted(nodes), nodes=nodes)
        if time.monotonic() >= deadline:
            raise RosterError(
                f"{len(nodes)} of the {enough} devices that the plan waits for answered the roll call in {timeout:g} s"
                f"{_listed(refusals)}"
            )
        time.sleep(_WAIT)


def _listed(refusals: Mapping[int, str]) -> str:
    """Why devices are left out, with how many, to go on with a sentence."""
    return "".join(f"; {count} more: {reason}" for reason, count in sorted(Counter(refusals.values()).items()))


def _true(answered: Mapping[int, int], enrolled: Mapping[int, int]) -> dict[int, int]:
    """Answers of the nodes that named the number which they are enrolled under."""
    return {node: number for node, number in answered.items() if enrolled.get(node) == number}


def _ask(grid: Grid, nodes: Sequence[int], *, ttl: float) -> dict[str, int]:
    """Sends the question; node by message id."""
    messages = [Message(RecordDict(), node, ROLL_CALL, ttl=ttl) for node in nodes]
    taken = {identity for identity in grid.push_messages(messages) if identity}
    return {
        message.metadata.message_id: node
        for message, node in zip(messages, nodes, strict=True)
        if message.metadata.message_id in taken
    }
