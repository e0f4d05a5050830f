"""Worker processes that stay: of a run each has its own ClientApp and base model, and one thread of PyTorch.

Two processes of one thread are much faster than one of two on models this small. A worker that dies fails the message
it had and is replaced; nobody waits for it.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, Self, TypeVar

import torch

from simulations.engines.wire import Packet

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 2.0

Handle = Callable[[Packet], Packet]
_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, eq=False)
class _Worker:
    process: BaseProcess
    pipe: Connection


class WorkerPool(Generic[_Asked, _Answer]):
    """Runs packets, or anything picklable, through `open_handler()`, which each worker opens once. A context manager.

    Start it before the messages come: a worker takes seconds to import PyTorch.
    """

    def __init__(
        self, open_handler: Callable[[], Callable[[_Asked], _Answer]], *, processes: int, have_workers: bool = False
    ) -> None:
        """Args:
            open_handler: picklable.
            have_workers: whether workers may start processes of their own.

        Raises:
            ValueError: fewer than one process.
        """
        if processes < 1:
            raise ValueError("a pool needs at least one process")
        self._open_handler = open_handler
        self._count = processes
        self._have_workers = have_workers
        self._context = multiprocessing.get_context("spawn")  # PyTorch's threads do not survive a fork
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        self._workers = [self._start() for _ in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_ids(self) -> tuple[int, ...]:
        """Of the workers that are alive."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.pid is not None)

    def run(self, packets: Sequence[_Asked]) -> Iterator[tuple[int, _Answer | None]]:
        """(place, reply) as replies come; None for a packet whose worker died."""
        waiting = list(reversed(range(len(packets))))
        at_work: dict[Connection, tuple[_Worker, int]] = {}
        idle = list(self._workers)
        tried: set[int] = set()
        while waiting or at_work:
            while waiting and idle:
                worker, place = idle.pop(), waiting.pop()
                try:
                    worker.pipe.send(packets[place])
                except OSError:  # it died while it was idle
                    idle.append(self._replace(worker))
                    if place in tried:  # and so did another: workers cannot be started
                        yield place, None
                    else:
                        tried.add(place)
                        waiting.append(place)
                    continue
                at_work[worker.pipe] = (worker, place)
            if not at_work:  # nobody could be given anything: to wait for nobody would be for ever
                continue
            for ready in wait(list(at_work)):  # a dead worker's pipe is ready too: it ends
                if not isinstance(ready, Connection):
                    continue
                worker, place = at_work.pop(ready)
                try:
                    reply = ready.recv()
                except (EOFError, OSError):
                    _LOG.warning("a worker process died at work; another takes its place")
                    idle.append(self._replace(worker))
                    yield place, None
                    continue
                idle.append(worker)
                yield place, reply

    def close(self) -> None:
        """Ends every worker, gently and then not."""
        for worker in self._workers:
            worker.pipe.close()  # their `recv` ends
        for worker in self._workers:
            worker.process.join(_STOP_SECONDS)
            for end in (worker.process.terminate, worker.process.kill):
                if worker.process.is_alive():
                    end()
                    worker.process.join(_STOP_SECONDS)
        self._workers = []

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._open_handler), daemon=not self._have_workers)
        with one_thread_each():
            process.start()
        theirs.close()
        return _Worker(process, ours)

    def _replace(self, dead: _Worker) -> _Worker:
        dead.pipe.close()
        dead.process.join(_STOP_SECONDS)
        new = self._start()
        self._workers[self._workers.index(dead)] = new
        return new


def _work(pipe: Connection, open_handler: Callable[[], Callable[[object], object]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent closes the pipe
    # PEFT asks Transformers about something it deprecates: said once by the parent, and not again by every worker.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    torch.set_num_threads(1)
    handle = open_handler()
    while True:
        try:
            packet = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(handle(packet))
        except OSError:
            return


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that are started within it have one thread of PyTorch, which does not spin while it waits."""
    # OpenMP reads these when a process loads it: they must stand before the child starts.
    wanted = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
