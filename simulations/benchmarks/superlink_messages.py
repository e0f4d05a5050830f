"""When each message of a run was sent, fetched, answered and taken back, as SuperLink's database shows it.

SuperLink forgets a message once its reply was taken, so its tables are looked into many times a second, read only. The
times of sending, fetching and answering are those that Flower wrote down; when a reply was taken is seen to within a
look. All clocks are this machine's.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

STAGES = ("train", "share", "mask", "confirm", "reveal")
_LOOK_SECONDS = 0.05


@dataclass(kw_only=True)
class Passage:
    """One request to one device, and its reply. Times are seconds since 1970, 0 where it did not happen.

    Attributes:
        group: Flower's group id: round and attempt.
        node: Flower's id of the device's node.
        sent: by the server's process.
        fetched: by the device's SuperNode.
        answered: by the device.
        taken: the reply, by the server's process.
    """

    group: str
    node: int
    sent: float
    fetched: float = 0.0
    answered: float = 0.0
    taken: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StageTimes:
    """One stage of one round, in seconds.

    Attributes:
        stage: one of `STAGES`.
        begun: of the first request, since 1970.
        seconds: from then until the last reply was taken.
        until_fetched, at_device, until_taken: medians over devices: a request waits for its device to ask, is worked
            on, and its reply waits for the server.
    """

    stage: str
    begun: float
    seconds: float
    until_fetched: float
    at_device: float
    until_taken: float


class MessageWatch:
    """Looks into one database while a run goes on."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._passages: dict[str, Passage] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MessageWatch({self._database})"

    def passages(self) -> list[Passage]:
        """Of all messages that were seen."""
        with self._lock:
            return list(self._passages.values())

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks until the block ends."""
        done = threading.Event()

        def watch() -> None:
            # Not closed and opened each time: the first reader of a database in WAL mode makes its index anew.
            with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, check_same_thread=False)) as rows:
                while not done.wait(_LOOK_SECONDS):
                    with suppress(sqlite3.OperationalError):  # being written, or not made yet
                        self._look(rows)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def _look(self, rows: sqlite3.Connection) -> None:
        requests = rows.execute(
            "SELECT message_id, group_id, dst_node_id, created_at, delivered_at FROM message_ins"
        ).fetchall()
        replies = rows.execute("SELECT reply_to_message_id, created_at FROM message_res").fetchall()
        now = time.time()
        with self._lock:
            for identity, group, node, sent, fetched in requests:
                passage = self._passages.setdefault(identity, Passage(group=str(group), node=int(node), sent=sent))
                if fetched:
                    passage.fetched = datetime.fromisoformat(fetched).timestamp()
            for identity, answered in replies:
                if identity in self._passages:
                    self._passages[identity].answered = answered
            there = {row[0] for row in requests}
            for identity, passage in self._passages.items():
                if identity not in there and not passage.taken:
                    passage.taken = now


def stage_times(passages: Sequence[Passage], group: str) -> list[StageTimes]:
    """The stages of the attempt of a group id, in order. Requests to one node come one after the other, a stage each.

    Messages that were never answered count until they were given up.
    """
    of_node: dict[int, list[Passage]] = defaultdict(list)
    for passage in passages:
        if passage.group == group:
            of_node[passage.node].append(passage)
    of_stage: dict[int, list[Passage]] = defaultdict(list)
    for found in of_node.values():
        for place, passage in enumerate(sorted(found, key=lambda one: one.sent)):
            of_stage[place].append(passage)
    return [_times(STAGES[place], of_stage[place]) for place in sorted(of_stage) if place < len(STAGES)]


def _times(stage: str, passages: Sequence[Passage]) -> StageTimes:
    begun = min(one.sent for one in passages)
    whole = [one for one in passages if one.fetched and one.answered and one.taken]

    def middle(values: list[float]) -> float:
        return max(0.0, median(values)) if values else float("nan")

    return StageTimes(
        stage=stage,
        begun=begun,
        seconds=max((one.taken for one in passages), default=begun) - begun,
        until_fetched=middle([one.fetched - one.sent for one in whole]),
        at_device=middle([one.answered - one.fetched for one in whole]),
        until_taken=middle([one.taken - one.answered for one in whole]),
    )
