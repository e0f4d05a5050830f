"""Sending messages and waiting for their replies, matched by message and never by who claims to have sent them.

An error made by the SuperLink itself names node 1 as its source, and a lying node may name any.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

from flwr.app import Message
from flwr.serverapp import Grid

_POLL = 0.1
_PULLED_AT_ONCE = 256


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
    first = True
    while place:
        # At first nobody can have gone offline: the question costs a request, or a million ids.
        online = None if first else set(grid.get_node_ids())
        first = False
        asked = [
            identity
            for identity, index in place.items()
            if online is None or messages[index].metadata.dst_node_id in online
        ]
        for reply in _pull(grid, asked):
            answered = reply.metadata.reply_to_message_id
            if answered in place:
                replies[place.pop(answered)] = reply
        if not place or time.monotonic() >= deadline:
            break
        time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))
    return replies


def _pull(grid: Grid, identities: Sequence[str]) -> Iterator[Message]:
    waiting = iter(identities)
    while batch := list(islice(waiting, _PULLED_AT_ONCE)):
        yield from grid.pull_messages(batch)
