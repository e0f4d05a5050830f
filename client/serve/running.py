"""One reply after the other: a thread that runs the model, a few replies that wait for it, and no more.

PyTorch keeps its worker threads by the thread that calls it, so all replies are written in one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Lock

from starlette.concurrency import run_in_threadpool

from client.assistant.assistant import ReplyStream

_LOG = logging.getLogger(__name__)
MOST_WAITING = 4
RETRY_AFTER_SECONDS = 5


class BusyError(RuntimeError):
    """As many replies wait as may."""


class ReplyFailedError(RuntimeError):
    """A reply could not be written to its end. Says nothing of why: the reason may hold its text."""


class RunningReply(AsyncIterator[str]):
    """The pieces of a reply that another thread writes. Whoever holds one closes it, in whatever way they leave.

    Attributes:
        reply: how long it is and whether it is finished; final when the pieces have ended.
    """

    def __init__(self, reply: ReplyStream) -> None:
        self.reply = reply
        self._came: asyncio.Queue[str | ReplyFailedError | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"RunningReply({self.reply!r})"

    async def __anext__(self) -> str:
        """Raises: ReplyFailedError: the model, or what was done with the whole, failed."""
        piece = await self._came.get()
        if piece is None:
            raise StopAsyncIteration
        if isinstance(piece, ReplyFailedError):
            raise piece
        return piece

    def close(self) -> None:
        """Ends it, if it has not ended: the model is free at the next token."""
        self.reply.close()

    def _tell(self, what: str | ReplyFailedError | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._came.put_nowait, what)
        except RuntimeError:  # the loop has ended: nobody is there to be told
            self.reply.close()


class ReplyRunner:
    """Gives the model to one reply at a time."""

    def __init__(self, *, waiting: int = MOST_WAITING) -> None:
        """Args:
        waiting: replies that may wait while another is written.
        """
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tacit-reply")
        self._places = BoundedSemaphore(1 + waiting)
        self._lock = Lock()
        self._open: set[ReplyStream] = set()
        self._is_closed = False

    def __repr__(self) -> str:
        return f"ReplyRunner({len(self._open)} replies)"

    async def start(
        self, begin: Callable[[], ReplyStream], when_whole: Callable[[str], None] = lambda _text: None
    ) -> RunningReply:
        """A reply that is written from now on, or when its turn comes.

        Args:
            begin: makes it, in another thread (`Assistant.stream`).
            when_whole: is given the text of a reply that nobody closed, before its pieces end. If it raises, the reply
                has failed.

        Raises:
            BusyError: at once: one is written and as many wait as may.
            and whatever `begin` raises.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError
        try:
            reply = await run_in_threadpool(begin)
            running = RunningReply(reply)
            with self._lock:
                if self._is_closed:
                    raise BusyError
                self._open.add(reply)
                self._thread.submit(self._write, running, when_whole)
        except BaseException:
            self._places.release()
            raise
        return running

    def close(self) -> None:
        """Ends all replies and the thread; the one that is being written, at its next token."""
        with self._lock:
            self._is_closed = True
            replies = tuple(self._open)
        for reply in replies:
            reply.close()
        self._thread.shutdown(wait=True)

    def _write(self, running: RunningReply, when_whole: Callable[[str], None]) -> None:
        reply, pieces = running.reply, []
        end: ReplyFailedError | None = None
        try:
            for piece in reply:
                pieces.append(piece)
                running._tell(piece)
            if reply.is_whole:
                when_whole("".join(pieces))
        except Exception as error:
            # Its message and its traceback may hold what was said.
            _LOG.error("a reply failed (%s)", type(error).__name__)
            end = ReplyFailedError("the reply failed")
        finally:
            reply.close()
            with self._lock:
                self._open.discard(reply)
            # Before the end is told: who has a whole reply finds its place free.
            self._places.release()
            running._tell(end)
