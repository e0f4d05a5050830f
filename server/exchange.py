"""Sending messages and waiting for their replies, matched by message and never by who claims to have sent them.

An error made by the SuperLink itself names node 1 as its source, and a lying node may name any.

Flower hands a message to its node once, and a reply to its server once: whatever dies in that moment takes it along.
So a message that is not answered is sent again, in the same words under another id. That costs a device nothing it
could not bear: to the same words it says the same bytes, and counts them once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeVar, runtime_checkable

from flwr.app import Message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

_Item = TypeVar("_Item")
_POLL = 0.1
_LONGEST_POLL = 1.0  # where nothing comes: each look lists all nodes, of which there may be many
_PULLED_AT_ONCE = 256
_PUSHED_AT_ONCE = 512
# When a message is sent again, as parts of the timeout. A device that is only slow answers each with a whole reply, so
# there are few, each after twice as long as the one before.
_AGAIN = (1 / 8, 1 / 4, 1 / 2)
_LEAST_PATIENCE = 15.0  # seconds: five of a SuperNode's polls
_LOST = (ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.REPLY_MESSAGE_UNAVAILABLE, ErrorCode.NODE_UNAVAILABLE)


@runtime_checkable
class KnownDevices(Protocol):
    """A grid that knows its devices by number, so that a million of them need no roll call. They are always online."""

    @property
    def device_nodes(self) -> Sequence[int]:
        """Node ids by device number."""
        ...


@dataclass
class _Open:
    """A message that has no reply yet.

    Attributes:
        message: as it was first sent.
        again: when it is to be sent again, on the monotonic clock, the next last.
        identities: under which it was sent, and a reply may come.
        lost: what SuperLink said of a reply that it lost, if no other comes.
    """

    message: Message
    again: list[float]
    identities: set[str] = field(default_factory=set)
    lost: Message | None = None


def exchange(grid: Grid, messages: Sequence[Message], *, timeout: float) -> list[Message | None]:
    """Replies in the order of the messages; None for one that was not taken, or not answered in `timeout` seconds."""
    found = dict(exchange_each(grid, messages, timeout=timeout))
    return [found.get(index) for index in range(len(messages))]


def exchange_each(grid: Grid, messages: Sequence[Message], *, timeout: float) -> Iterator[tuple[int, Message]]:
    """Replies as they come, with the place of their message; nothing of a message that was not taken or answered.

    A message to a node that is offline is left for when it comes back, within the timeout: to pull it earlier would
    make Flower burn it.
    """
    waiting: dict[int, _Open] = {}
    place: dict[str, int] = {}
    local = isinstance(grid, KnownDevices)
    began = time.monotonic()
    deadline = began + timeout
    patience = max(timeout, _LEAST_PATIENCE / _AGAIN[0])
    again = [] if local else [began + part * patience for part in reversed(_AGAIN)]
    for start in range(0, len(messages), _PUSHED_AT_ONCE):
        pushed = {
            index: _Open(message, list(again))
            for index, message in enumerate(messages[start : start + _PUSHED_AT_ONCE], start=start)
        }
        _push(grid, {index: one.message for index, one in pushed.items()}, pushed, place)
        waiting |= {index: one for index, one in pushed.items() if one.identities}
        if local:  # there already, and never many at a time
            yield from _answered(grid, list(place), place, waiting)
    pause = _POLL
    while waiting:
        # Where all devices are in this process nobody goes offline, and there may be a million of them.
        online = None if local else set(grid.get_node_ids())
        there = [
            index for index, one in waiting.items() if online is None or one.message.metadata.dst_node_id in online
        ]
        before = len(waiting)
        yield from _answered(grid, [name for index in there for name in waiting[index].identities], place, waiting)
        pause = _POLL if len(waiting) < before else min(pause * 1.5, _LONGEST_POLL)
        now = time.monotonic()
        if not waiting:
            return
        if now >= deadline:
            yield from ((index, _to(one.message, one.lost)) for index, one in waiting.items() if one.lost is not None)
            break
        due = [index for index in there if index in waiting and _is_due(waiting[index], now)]
        _push(grid, {index: _anew(waiting[index].message, deadline - now) for index in due}, waiting, place)
        time.sleep(min(pause, max(0.0, deadline - now)))


def _push(grid: Grid, messages: dict[int, Message], waiting: dict[int, _Open], place: dict[str, int]) -> None:
    for batch in _batches(list(messages.items()), _PUSHED_AT_ONCE):
        taken = {identity for identity in grid.push_messages([message for _, message in batch]) if identity}
        for index, message in batch:
            if message.metadata.message_id in taken:
                place[message.metadata.message_id] = index
                waiting[index].identities.add(message.metadata.message_id)


def _answered(
    grid: Grid, asked: Sequence[str], place: dict[str, int], waiting: dict[int, _Open]
) -> Iterator[tuple[int, Message]]:
    for reply in pull(grid, asked):
        identity = reply.metadata.reply_to_message_id
        index = place.pop(identity, None)
        if index is None:
            continue
        one = waiting[index]
        one.identities.discard(identity)
        if _is_lost(reply) and (one.again or one.identities):
            one.lost = reply
            if one.again:
                one.again[-1] = time.monotonic()
            continue
        del waiting[index]
        for other in one.identities:
            place.pop(other, None)
        yield index, _to(one.message, reply)


def _to(message: Message, reply: Message) -> Message:
    """The reply, as one to what was sent first, which is the message that the caller knows."""
    reply.metadata.__dict__["_reply_to_message_id"] = message.metadata.message_id
    return reply


def _is_lost(reply: Message) -> bool:
    """Whether SuperLink says that it has no reply, and none will come to this message."""
    return reply.has_error() and reply.error.code in _LOST


def _is_due(one: _Open, now: float) -> bool:
    """Takes the time off that has come."""
    if not one.again or one.again[-1] > now:
        return False
    one.again.pop()
    return True


def _anew(message: Message, ttl: float) -> Message:
    said = message.metadata
    return Message(message.content, said.dst_node_id, said.message_type, ttl=ttl, group_id=said.group_id)


def pull(grid: Grid, identities: Sequence[str]) -> Iterator[Message]:
    """The replies there are to the messages of these ids, some hundreds a request."""
    for batch in _batches(identities, _PULLED_AT_ONCE):
        yield from grid.pull_messages(batch)


def _batches(items: Sequence[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
