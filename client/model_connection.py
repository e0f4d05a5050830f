"""Requests to one endpoint, with their time limits and repetitions.

Where text may go is decided by `client.endpoint_policy`; here it goes to the addresses checked there and nowhere else.
That is why this stands on httpcore, the layer beneath httpx: it knows no proxies from the environment, follows no
redirects, keeps no cookies, unpacks nothing, and lets us open the connections ourselves.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from dataclasses import dataclass

import httpcore

from client.checked_addresses import CheckedAddresses, TlsError
from client.endpoint_policy import Endpoint

_KEEP_IDLE = 30.0  # seconds that a connection waits for the next request
_MAX_WAIT = 30.0  # seconds; a server that asks for longer is not asked again
_PASSING = (429, 503)


@dataclass(frozen=True, kw_only=True)
class ServerLimits:
    """What is spent on a server. None of these changes what a reply says.

    Attributes:
        concurrency: requests in flight.
        connect_seconds: for one connection.
        reply_seconds: for one request, from sending it to the last byte of its answer, however slowly that drips.
        attempts: how often a request is sent, while the connection fails or the server answers 429 or 503.
        retry_seconds: before the second attempt; twice that before the third, and so on.
        max_reply_bytes: of one answer.
    """

    concurrency: int = 4
    connect_seconds: float = 5.0
    reply_seconds: float = 600.0
    attempts: int = 3
    retry_seconds: float = 0.5
    max_reply_bytes: int = 8 * 2**20

    def __post_init__(self) -> None:
        if min(self.concurrency, self.attempts, self.max_reply_bytes) < 1:
            raise ValueError("concurrency, attempts and max_reply_bytes must be at least 1")
        for seconds in (self.connect_seconds, self.reply_seconds, self.retry_seconds):
            if not (math.isfinite(seconds) and seconds > 0):
                raise ValueError("connect_seconds, reply_seconds and retry_seconds must be positive numbers")


@dataclass(frozen=True, kw_only=True)
class RequestFailure:
    """Why there is no answer. Holds nothing that was sent or received.

    Attributes:
        reason: what is wrong and what to do.
        status: the HTTP status where that is what is wrong, else None.
        may_pass: whether trying again could help.
        wait: seconds that the server asks for before that.
    """

    reason: str
    status: int | None = None
    may_pass: bool = False
    wait: float = 0.0


class ModelConnection:
    """An HTTP client of one endpoint, for several threads at once.

    It keeps up to `limits.concurrency` connections open, until it is closed or let go of.
    """

    def __init__(self, endpoint: Endpoint, limits: ServerLimits) -> None:
        """Raises:
        EndpointRefusedError: the key's variable or the authority's file that the policy names cannot be used.
        """
        self._url = endpoint.url
        self._limits = limits
        key = endpoint.api_key()
        self._headers = [
            ("Host", endpoint.url.authority),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", "application/json"),
            ("User-Agent", "tacit"),
            *([("Authorization", f"Bearer {key}")] if key is not None else []),
        ]
        self._given_up = threading.Event()
        # At DEBUG it logs the answers' headers, where a server can put what it was sent.
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        self._pool = httpcore.ConnectionPool(
            ssl_context=endpoint.tls(),
            max_connections=limits.concurrency,
            max_keepalive_connections=limits.concurrency,
            keepalive_expiry=_KEEP_IDLE,
            network_backend=CheckedAddresses(endpoint.addresses, limits.connect_seconds, self._given_up),
        )
        weakref.finalize(self, self._pool.close)

    def close(self) -> None:
        """Closes the connections; the next request would open new ones."""
        self._pool.close()

    def give_up(self) -> None:
        """Ends the requests in flight and lets no other begin, until `resume`."""
        self._given_up.set()

    def resume(self) -> None:
        """Lets requests begin again."""
        self._given_up.clear()

    def request(self, method: str, target: str, content: bytes | None = None) -> bytes | RequestFailure:
        """The body of the answer; a failure that may pass is given further attempts.

        Args:
            method: as HTTP spells it.
            target: the whole path, from `/`.
            content: of the request, JSON.
        """
        wait = self._limits.retry_seconds
        for _ in range(1, self._limits.attempts):
            body = self._exchange(method, target, content)
            if isinstance(body, bytes) or not body.may_pass:
                return body
            pause = max(wait, body.wait)
            if pause > _MAX_WAIT or self._given_up.wait(pause):
                return body
            wait *= 2
        return self._exchange(method, target, content)

    def _exchange(self, method: str, target: str, content: bytes | None) -> bytes | RequestFailure:
        """One request and the body of its answer. Nothing is raised from within: the library's errors hold both."""
        if self._given_up.is_set():
            return RequestFailure(reason="the call was given up")
        url = self._url
        until = time.monotonic() + self._limits.reply_seconds  # a moment: `client.checked_addresses` says why
        began = False
        try:
            with self._pool.stream(
                method,
                httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=target),
                headers=self._headers,
                content=content,
                extensions={"timeout": {"connect": until, "read": until, "write": until}},
            ) as answer:
                began = True
                return self._read(answer)
        except TlsError as error:
            return RequestFailure(reason=str(error))
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            reason = f"nothing answers at {url.authority}; start it (for example `ollama serve`), or check the port"
            return RequestFailure(reason=reason, may_pass=True)
        except httpcore.TimeoutException:
            return RequestFailure(
                reason=f"no whole answer within {self._limits.reply_seconds:g} seconds; "
                "allow more time, or ask for fewer tokens or a smaller model"
            )
        except (httpcore.NetworkError, httpcore.ProtocolError):
            if began:
                return RequestFailure(reason="its answer broke off; see the server's own log")
            return RequestFailure(
                reason="it broke the connection without an answer; see the server's own log", may_pass=True
            )

    def _read(self, answer: httpcore.Response) -> bytes | RequestFailure:
        headers = {name.lower(): value for name, value in answer.headers}
        if answer.status != 200:
            asked = headers.get(b"retry-after", b"")
            return RequestFailure(
                reason=_explain(answer.status),
                status=answer.status,
                may_pass=answer.status in _PASSING,
                wait=float(asked) if asked.isdigit() and len(asked) < 10 else 0.0,
            )
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return RequestFailure(reason="its answer is compressed, which was not asked for")
        body = bytearray()
        for part in answer.iter_stream():
            body += part
            if len(body) > self._limits.max_reply_bytes:
                return RequestFailure(reason=f"its answer is longer than {self._limits.max_reply_bytes:,} bytes")
        return bytes(body)


def _explain(status: int) -> str:
    if 300 <= status < 400:
        return f"it answers with a redirect (HTTP {status}), which is not followed; give the server's own URL"
    advice = {
        400: "it refuses the request; the conversation may be longer than the model's context",
        401: "it wants a key; name the variable that holds it as api_key_variable in the policy",
        403: "it refuses the key; check the variable that the policy names as api_key_variable",
        404: "it knows no such address or model; the URL usually ends in /v1",
        413: "the conversation is too long for it",
        422: "it refuses the request; the conversation may be longer than the model's context",
        429: "it is busy; try later, or with a lower concurrency",
        503: "it is busy or still loading the model; try later, or with a lower concurrency",
    }.get(status, "it failed; see the server's own log" if status >= 500 else "it is no OpenAI-compatible server")
    return f"{advice} (HTTP {status})"
