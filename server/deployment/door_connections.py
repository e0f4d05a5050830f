"""Who may hold a connection to the front door, and for how long without asking anything.

| a connection | what becomes of it |
|---|---|
| beyond `in_all`, or beyond `per_peer` of one address (of one /64 with IPv6) | closed before a byte of it is read |
| without a whole request's head in `head_seconds`: the first, or one begun later | closed |
| that goes on sending after its answer | closed `head_seconds` later |

A TLS handshake that does not end is asyncio's to close, after a minute; it is not counted.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from dataclasses import dataclass

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """Attributes:
    in_all: connections at once.
    per_peer: connections at once of one address: few enough to leave room, enough for a site behind one address.
    head_seconds: within which a request's head is to be there.
    """

    in_all: int = 2048
    per_peer: int = 512
    head_seconds: float = 20.0


def limited_connections(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """uvicorn's protocol, for its `http` setting, within limits that its connections share."""
    held: Counter[str] = Counter()

    class Limited(HttpToolsProtocol):
        _peer: str | None = None  # None: not let in
        _due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            peer = _network(transport.get_extra_info("peername"))
            if held.total() >= limits.in_all or held[peer] >= limits.per_peer:
                self.transport = transport
                transport.abort()
                return
            held[peer] += 1
            self._peer = peer
            super().connection_made(transport)
            self._expect_head()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._peer is None:
                return
            held[self._peer] -= 1
            if not held[self._peer]:
                del held[self._peer]
            self._stop_waiting()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._peer is None:
                return
            if self.cycle is None or self.cycle.response_complete:
                self._expect_head()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._stop_waiting()
            super().on_headers_complete()

        def _expect_head(self) -> None:
            if self._due is None:
                self._due = self.loop.call_later(limits.head_seconds, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None

    return Limited


def _network(peer: tuple[object, ...] | None) -> str:
    if not peer:
        return ""
    address = ipaddress.ip_address(str(peer[0]).split("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
