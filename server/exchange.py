"""Sending messages and waiting for their replies, matched by message and never by who claims to have sent them.

An error made by the SuperLink itself names node 1 as its source, and a lying node may name any.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

from flwr.app import Message
from flwr.serverapp import Grid

_POLL = 0.1
_PULLED_AT_ONCE = 256


@runtime_checkable
class KnownDevices(Protocol):
    """A grid that knows its devices by number, so that a million of them need no roll call. They are always online."""

    @property
    def device_nodes(self) -> Sequence[int]:
        """Node ids by device number."""
        ...


def exchange(grid: Grid, messages: Sequence[Message], *, timeout: float) -> list[Message | None]:
    """Replies in the order of the messages; None for one that was not taken, or not answered in `timeout` seconds.

    A message to a node that is offline is left for when it comes back, within the timeout: to pull it earlier would
    make Flower burn it.
    """
    place: dict[str, int] = {}
    taken = {identity for identity in grid.push_messages(messages) if identity}
    for index, message in enumerate(messages):
        if message.metadata.message_id in taken:
            place[message.metadata.message_id] = index
    replies: list[Message | None] = [None] * len(messages)
    deadline = time.monotonic() + timeout
    while place:
        # Where all devices are in this process nobody goes offline, and there may be a million of them.
        online = None if isinstance(grid, KnownDevices) else set(grid.get_node_ids())
        asked = [
            identity
            for identity, index in place.items()
            if online is None or messages[index].metadata.dst_node_id in online
        ]
        for reply in pull(grid, asked):
            answered = reply.metadata.reply_to_message_id
            if answered in place:
                replies[place.pop(answered)] = reply
        if not place or time.monotonic() >= deadline:
            break
        time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))
    return replies


def pull(grid: Grid, identities: Sequence[str]) -> Iterator[Message]:
    """The replies there are to the messages of these ids, some hundreds a request."""
    waiting = iter(identities)
    while batch := list(islice(waiting, _PULLED_AT_ONCE)):
        yield from grid.pull_messages(batch)
