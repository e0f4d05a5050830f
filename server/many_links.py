"""One grid over the grids of several SuperLinks, so that one ServerApp, with one plan and one ledger, asks all devices.

A node is known by the link that has it. Flower draws node ids from 64 bits on each link by itself: a node id that two
links name belongs to neither. Each link is talked to in a thread of its own; what one of them raises is raised here,
as from one SuperLink: a run whose link has died is lost, and goes on from its last release.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class ManyLinks(Grid):
    """A grid over others. A context manager: its threads end with it, its grids are their owner's."""

    def __init__(self, links: Sequence[Grid]) -> None:
        """Args:
        links: a grid each SuperLink, whose run is set.

        Raises:
            ValueError: there are none.
        """
        if not links:
            raise ValueError("a grid over links needs one")
        self._links = tuple(links)
        self._link_of: dict[int, int] = {}  # by node
        self._asked: dict[str, int] = {}  # by message, while its reply was not pulled
        self._threads = ThreadPoolExecutor(max_workers=len(self._links), thread_name_prefix="link")

    def __enter__(self) -> ManyLinks:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def set_run(self, run: Run) -> None:
        """Not used: each link has its own."""

    @property
    def run(self) -> Run:
        """The first link's."""
        return self._links[0].run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """Flower's older way to make a message."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Nodes that one link names, and no other."""
        named = self._each({place: lambda link: list(link.get_node_ids()) for place in range(len(self._links))})
        claims = Counter(node for nodes in named.values() for node in nodes)
        if twice := [node for node, times in claims.items() if times > 1]:
            _LOG.warning("%d nodes are named by several links: they are left out", len(twice))
        # Kept while a node is offline: what it was asked is still its link's.
        self._link_of |= {node: place for place, nodes in named.items() for node in nodes if claims[node] == 1}
        for node in twice:
            self._link_of.pop(node, None)
        return [node for nodes in named.values() for node in nodes if claims[node] == 1]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Message ids in the order of the messages; "" for one that no link took, or whose node no link has named."""
        pushed = list(messages)
        places: dict[int, list[int]] = {}
        for index, message in enumerate(pushed):
            link = self._link_of.get(message.metadata.dst_node_id)
            if link is None:
                message.metadata.__dict__["_message_id"] = message.object_id  # as Flower names what it does not take
            else:
                # Every SuperLink has its own id for the run, and takes no other's. It is hashed into the message's.
                message.metadata.__dict__["_run_id"] = self._links[link].run.run_id
                places.setdefault(link, []).append(index)
        taken = self._each(
            {
                link: lambda grid, of=of: list(grid.push_messages([pushed[index] for index in of]))  # type: ignore[misc]
                for link, of in places.items()
            }
        )
        identities = [""] * len(pushed)
        for link, said in taken.items():
            for index, identity in zip(places[link], said, strict=False):  # a link that takes none says nothing
                if identity:
                    identities[index] = identity
                    self._asked[identity] = link
        return identities

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies there are."""
        wanted: dict[int, list[str]] = {}
        for identity in message_ids:
            link = self._asked.get(identity)
            if link is not None:
                wanted.setdefault(link, []).append(identity)
        found = self._each(
            {
                link: lambda grid, of=of: list(grid.pull_messages(of))  # type: ignore[misc]
                for link, of in wanted.items()
            }
        )
        replies = [reply for said in found.values() for reply in said]
        for reply in replies:
            self._asked.pop(reply.metadata.reply_to_message_id, None)
        return replies

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Not used: `server.exchange` pushes and pulls.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("push the messages, and pull their replies")

    def _each(self, work: dict[int, Callable[[Grid], _T]]) -> dict[int, _T]:
        """What the links say, side by side, by link; all have ended before an error is raised."""
        waiting = {link: self._threads.submit(do, self._links[link]) for link, do in sorted(work.items())}
        errors = [error for future in waiting.values() if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        return {link: future.result() for link, future in waiting.items()}
