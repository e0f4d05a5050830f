"""Hears every byte that passes between a device and a server, and reads every file that appears below a directory."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOOPBACK = "127.0.0.1"


class Wiretap:
    """A TCP relay on loopback that keeps what passes.

    Attributes:
        address: HOST:PORT to connect to.
        heard: bytes from the device and to it, a stream for each direction of each connection.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server((_LOOPBACK, 0))
        self.address = f"{_LOOPBACK}:{self._listener.getsockname()[1]}"
        self.heard: list[bytearray] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Takes no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                device, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                streams = bytearray(), bytearray()
                self.heard += streams
                threading.Thread(target=_connect, args=(device, server, *streams), daemon=True).start()


def _connect(device: socket.socket, server: socket.socket, sent: bytearray, received: bytearray) -> None:
    with device, server:
        back = threading.Thread(target=_relay, args=(server, device, received), daemon=True)
        back.start()
        _relay(device, server, sent)
        back.join()


def _relay(source: socket.socket, sink: socket.socket, stream: bytearray) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            stream += part
            sink.sendall(part)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def watched(directory: Path, markers: list[bytes], *, seconds: float = 0.2) -> Iterator[dict[str, int]]:
    """Looks again and again into every file below a directory: path → how many markers stood in it, at its worst.

    Every file that was read has an entry.
    """
    found: dict[str, int] = {}
    stop = threading.Event()

    def look() -> None:
        # Not rglob, which fails where a directory goes away under it.
        for path in (Path(place) / name for place, _, names in os.walk(directory) for name in names):
            with suppress(OSError):
                if path.is_file():
                    content = path.read_bytes()
                    count = sum(marker in content for marker in markers)
                    found[str(path)] = max(found.get(str(path), 0), count)

    failures: list[BaseException] = []

    def go() -> None:
        try:
            while not stop.wait(seconds):
                look()
        except BaseException as error:  # a watch that ended early has seen nothing of the rest
            failures.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
        look()
        if failures:
            raise failures[0]
