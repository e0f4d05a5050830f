"""A TCP relay on loopback that counts the bytes which pass between one device and a server: TLS, headers and all."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Passed:
    """Attributes:
    up, down: bytes from the device and to it.
    connections: that the device opened.
    """

    up: int = 0
    down: int = 0
    connections: int = 0

    def since(self, before: Passed) -> Passed:
        """What passed after `before`."""
        return Passed(
            up=self.up - before.up, down=self.down - before.down, connections=self.connections - before.connections
        )


class CountingRelay:
    """Attributes:
    port: of loopback to connect to.
    """

    def __init__(self, port: int) -> None:
        """Args:
        port: of loopback, where the server listens.
        """
        self._target = (_LOOPBACK, port)
        self._listener = socket.create_server((_LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._passed = Passed()
        threading.Thread(target=self._accept, daemon=True).start()

    def __repr__(self) -> str:
        return f"CountingRelay({self.port})"

    def passed(self) -> Passed:
        """Until now."""
        with self._lock:
            return self._passed

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                device, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(device,), daemon=True).start()

    def _connect(self, device: socket.socket) -> None:
        with device:
            try:
                server = socket.create_connection(self._target)
            except OSError:  # not up: the device sees that its connection ends
                return
            self._count(connections=1)
            with server:
                back = threading.Thread(target=self._relay, args=(server, device), kwargs={"up": False}, daemon=True)
                back.start()
                self._relay(device, server, up=True)
                back.join()

    def _relay(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        try:
            while part := source.recv(65536):
                self._count(up=len(part) if up else 0, down=0 if up else len(part))
                sink.sendall(part)
            sink.shutdown(socket.SHUT_WR)  # the other way may go on
        except OSError:
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _count(self, *, up: int = 0, down: int = 0, connections: int = 0) -> None:
        with self._lock:
            now = self._passed
            self._passed = Passed(up=now.up + up, down=now.down + down, connections=now.connections + connections)
