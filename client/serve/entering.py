"""How a browser gets the token: for a code that is good once, for a minute.

The address that `tacit serve --open` shows stays in the browser's history, and so does what stands in it. The page
sends the code on and is given the token in an answer's body, which no history keeps. `/enter` is behind the guard (its
Host and Origin), and needs no token.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from threading import Lock

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from client.serve.api_errors import ApiError
from client.serve.api_requests import JsonResponse, answering, body_of, text_of
from client.serve.guard import ENTER_PATH

SECONDS = 60.0
_MOST_CODES = 8
_CODE_BYTES = 24


class EnteringCodes:
    """The codes that are good now, in memory only."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        clock: in seconds.
        """
        self._clock = clock
        self._made: dict[str, float] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"EnteringCodes({len(self._made)})"

    def make(self) -> str:
        """A new code."""
        code = secrets.token_urlsafe(_CODE_BYTES)
        with self._lock:
            self._expire()
            while len(self._made) >= _MOST_CODES:
                del self._made[next(iter(self._made))]
            self._made[code] = self._clock()
        return code

    def take(self, code: str) -> bool:
        """Whether the code is good; it is not any more then. With 192 bits nobody guesses one in its minute."""
        with self._lock:
            self._expire()
            shown = code.encode("utf-8", "surrogatepass")
            found = [one for one in self._made if hmac.compare_digest(one.encode("ascii"), shown)]
            for one in found:
                del self._made[one]
            return bool(found)

    def _expire(self) -> None:
        before = self._clock() - SECONDS
        self._made = {code: since for code, since in self._made.items() if since > before}


def entering_routes(codes: EnteringCodes, token: str) -> list[BaseRoute]:
    """`POST /enter` with a `code`: the token."""

    async def enter(request: Request) -> Response:
        values = await body_of(request, ("code",))
        if not codes.take(text_of(values, "code", most=200)):
            raise ApiError("This code was used already, or is more than a minute old.", status=403)
        return JsonResponse({"token": token})

    return [answering(ENTER_PATH, enter)]
