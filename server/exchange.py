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
_PUSHED_AT_ONCE = 512


@runtime_checkable
class KnownDevices(Protocol):
    """A grid that knows its devices by number, so that a million of them need no roll call. They are always online."""

    @property
    def device_nodes(self) -> Sequence[int]:
        """Node ids by device number."""
        ...


def exchange(grid: Grid, messages: Sequence[Message], *, timeout: float) -> list[Message | None]:
    """Replies in the order of the messages; None for one that was not taken, or not answered in `timeout` seconds."""
    replies: list[Message | None] = [None] * len(messages)
    for index, reply in exchange_each(grid, messages, timeout=timeout):
        replies[index] = reply
    return replies


def exchange_each(grid: Grid, messages: Sequence[Message], *, timeout: float) -> Iterator[tuple[int, Message]]:
    """Replies as they come, with the place of their message; nothing of a message that was not taken or answered.

    A message to a node that is offline is left for when it comes back, within the timeout: to pull it earlier would
    make Flower burn it.
    """
    place: dict[str, int] = {}
    local = isinstance(grid, KnownDevices)
    deadline = time.monotonic() + timeout
    for start in range(0, len(messages), _PUSHED_AT_ONCE):
        pushed = messages[start : start + _PUSHED_AT_ONCE]
        taken = {identity for identity in grid.push_messages(pushed) if identity}
        for index, message in enumerate(pushed, start=start):
            if message.metadata.message_id in taken:
                place[message.metadata.message_id] = index
        if local:  # there already, and never many at a time
            yield from _answered(grid, list(place), place)
    while place:
        # Where all devices are in this process nobody goes offline, and there may be a million of them.
        online = None if local else set(grid.get_node_ids())
        asked = [
            identity
            for identity, index in place.items()
            if online is None or messages[index].metadata.dst_node_id in online
        ]
        yield from _answered(grid, asked, place)
        if not place or time.monotonic() >= deadline:
            break
        time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))


def _answered(grid: Grid, asked: Sequence[str], place: dict[str, int]) -> Iterator[tuple[int, Message]]:
    for reply in pull(grid, asked):
        answered = reply.metadata.reply_to_message_id
        if answered in place:
            yield place.pop(answered), reply


def pull(grid: Grid, identities: Sequence[str]) -> Iterator[Message]:
    """The replies there are to the messages of these ids, some hundreds a request."""
    waiting = iter(identities)
    while batch := list(islice(waiting, _PULLED_AT_ONCE)):
        yield from grid.pull_messages(batch)
