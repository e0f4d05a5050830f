"""Work for somebody who may go away before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive

_Made = TypeVar("_Made")


async def until_left(work: Coroutine[None, None, _Made], receive: Receive) -> _Made | None:
    """What the work gives; None where whoever asked went away before, and then it is cancelled."""

    async def has_left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task, left = asyncio.create_task(work), asyncio.create_task(has_left())
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for one in (task, left):
            one.cancel()
        await asyncio.gather(task, left, return_exceptions=True)
