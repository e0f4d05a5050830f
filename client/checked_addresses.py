"""How httpcore reaches a server: at the addresses that were checked, within a whole request's time, until given up.

The library hands a request's timeout to every single read, so a server that sends a byte a minute would hold a request
for ever. Here every `timeout` is instead the moment, on `time.monotonic`'s clock, by which the request must be over.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable, Sequence

import httpcore

_TICK = 0.1  # seconds between two looks at the clock, and at whether the call was given up
_SLICE = 64 * 2**10  # bytes written between two such looks


class TlsError(httpcore.ConnectError):
    """No trusted TLS connection; trying again would not help."""


class CheckedAddresses(httpcore.NetworkBackend):
    """Connects to addresses that were checked, whatever the host's name resolves to by now."""

    def __init__(self, addresses: Sequence[str], connect_seconds: float, given_up: threading.Event) -> None:
        """Args:
        addresses: tried in this order.
        connect_seconds: for one address, and as long again for TLS.
        given_up: when it is set, whoever waits for an answer stops.
        """
        self._addresses = addresses
        self._connect_seconds = connect_seconds
        self._given_up = given_up
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - it was resolved when it was checked
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError()
        for address in self._addresses:
            seconds = min(self._connect_seconds, _left(timeout))
            try:
                stream = self._sockets.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Connection(stream, self._connect_seconds, self._given_up)
        raise failed


class _Connection(httpcore.NetworkStream):
    """A connection that looks at the clock, and at whether the call was given up, while it waits."""

    def __init__(self, stream: httpcore.NetworkStream, connect_seconds: float, given_up: threading.Event) -> None:
        self._stream = stream
        self._connect_seconds = connect_seconds
        self._given_up = given_up

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            seconds = min(_TICK, _left(timeout))
            try:
                return self._stream.read(max_bytes, seconds)
            except httpcore.ReadTimeout:
                if self._given_up.is_set():
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _SLICE):
            self._stream.write(buffer[start : start + _SLICE], _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = min(self._connect_seconds, _left(timeout))
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, seconds)
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                reason = "its certificate is not trusted; name its authority as ca_file in the policy"
                raise TlsError(reason) from None
            raise TlsError("no TLS connection can be made; is it an http server?") from None
        return _Connection(stream, self._connect_seconds, self._given_up)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(until: float | None) -> float:
    """Seconds to a moment. Raises: httpcore.ReadTimeout: it has passed."""
    seconds = math.inf if until is None else until - time.monotonic()
    if seconds <= 0:
        raise httpcore.ReadTimeout
    return seconds
