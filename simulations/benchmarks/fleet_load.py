"""The load: protocol-level devices in few processes of their own, which are told what to do through a pipe."""

from __future__ import annotations

import multiprocessing
import os
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from shared.device_card import DeviceCard
from simulations.engines.protocol_device import POLL_SECONDS, ProtocolDevice, Request

# Below the 512 connections that the front door lets one address have: heartbeats may open a second one a device.
_DEVICES_AN_ADDRESS = 200
_FIRST_ADDRESS = 2  # of 127.0.0.0/8
_STACK_BYTES = 512 * 1024
_END_SECONDS = 60.0


@dataclass(kw_only=True)
class Seen:
    """What devices saw since they were last asked.

    Attributes:
        seconds: of each answered request, by procedure.
        statuses: how many requests had which HTTP status; 0 is none.
        bytes_up, bytes_down: of all bodies.
        active, ended: devices that are there, and that have gone.
        answered: messages replied to, ever.
        cpu_seconds: of the generator's process, ever.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    bytes_up: int = 0
    bytes_down: int = 0
    active: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    cpu_seconds: float = 0.0

    def add(self, other: Seen) -> None:
        """Takes another's figures to these."""
        for what, seconds in other.seconds.items():
            self.seconds.setdefault(what, []).extend(seconds)
        self.statuses += other.statuses
        self.ended += other.ended
        for name in ("bytes_up", "bytes_down", "active", "answered", "cpu_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Load:
    """Devices in `len(processes)` processes."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes
        self._began = 0

    def make(self, count: int) -> list[DeviceCard]:
        """New devices' cards, which are to be enrolled and then started, in this order."""
        shares = _shares(count, len(self._pipes))
        for pipe, share in zip(self._pipes, shares, strict=True):
            pipe.send(("make", share))
        return [DeviceCard.from_json(card) for pipe in self._pipes for card in _received(pipe)]  # type: ignore[attr-defined]

    def start(self, numbers: Sequence[int]) -> None:
        """Starts the devices that were made last, under their numbers, evenly over one poll."""
        shares = _shares(len(numbers), len(self._pipes))
        first = 0
        for pipe, share in zip(self._pipes, shares, strict=True):
            pipe.send(("start", list(numbers[first : first + share])))
            first += share
        for pipe in self._pipes:
            _received(pipe)

    def seen(self) -> Seen:
        """What devices saw since the last call."""
        whole = Seen()
        for pipe in self._pipes:
            pipe.send(("seen", None))
        for pipe in self._pipes:
            part = _received(pipe)
            if isinstance(part, Seen):
                whole.add(part)
        return whole


@contextmanager
def load(address: str, authority: Path, *, processes: int) -> Iterator[Load]:
    """Processes that devices will be started in. They end, and their devices leave, with the context.

    Args:
        address: HOST:PORT of the front door.
        authority: certificate file of its authority.
    """
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    started = []
    try:
        for place in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_generate, args=(theirs, address, str(authority), place, processes), daemon=True
            )
            process.start()
            theirs.close()
            pipes.append(ours)
            started.append(process)
        yield Load(pipes)
    finally:
        for pipe in pipes:
            try:
                pipe.send(("end", None))
            except OSError:  # it has gone already
                continue
        for process in started:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _received(pipe: Connection) -> object:
    said = pipe.recv()
    if isinstance(said, Exception):
        raise said
    return said


def _shares(count: int, among: int) -> list[int]:
    return [count // among + (place < count % among) for place in range(among)]


class _Generator:
    """The devices of one process."""

    def __init__(self, address: str, trust: ssl.SSLContext, place: int, processes: int) -> None:
        self._address, self._trust = address, trust
        self._place, self._processes = place, processes
        self._keys: list[ec.EllipticCurvePrivateKey] = []
        self._devices: list[ProtocolDevice] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._seen = Seen()

    def make(self, count: int) -> list[str]:
        self._keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(count)]
        return [
            DeviceCard.of(
                identity=ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex(),
                node_key=key.public_key(),
            ).to_json()
            for key in self._keys
        ]

    def start(self, numbers: list[int]) -> int:
        for index, (number, key) in enumerate(zip(numbers, self._keys, strict=True)):
            block = (len(self._devices) // _DEVICES_AN_ADDRESS) * self._processes + self._place
            device = ProtocolDevice(
                number,
                key,
                address=self._address,
                trust=self._trust,
                stop=self._stop,
                tell=self._tell,
                source=f"127.0.0.{_FIRST_ADDRESS + block}",
                wait_seconds=POLL_SECONDS * (index * self._processes + self._place) / (len(numbers) * self._processes),
            )
            device.start()
            self._devices.append(device)
        return len(numbers)

    def seen(self, _: None) -> Seen:
        with self._lock:
            seen, self._seen = self._seen, Seen()
        seen.active = sum(device.active.is_set() for device in self._devices)
        seen.ended = Counter(device.ended for device in self._devices if device.ended)
        seen.answered = sum(device.answered for device in self._devices)
        seen.cpu_seconds = time.process_time()
        return seen

    def end(self) -> None:
        self._stop.set()
        deadline = time.monotonic() + _END_SECONDS / 2
        for device in self._devices:
            device.join(max(0.0, deadline - time.monotonic()))

    def _tell(self, request: Request) -> None:
        with self._lock:
            self._seen.statuses[request.status] += 1
            self._seen.bytes_up += request.bytes_up
            self._seen.bytes_down += request.bytes_down
            if request.status == 200:
                self._seen.seconds.setdefault(request.what, []).append(request.seconds)


def _generate(pipe: Connection, address: str, authority: str, place: int, processes: int) -> None:
    """One generator's life."""
    import logging
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it in order
    logging.getLogger("flwr").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    threading.stack_size(_STACK_BYTES)
    trust = ssl.create_default_context(cafile=authority)
    generator = _Generator(address, trust, place, processes)
    actions = {"make": generator.make, "start": generator.start, "seen": generator.seen}
    parent = os.getppid()
    while os.getppid() == parent:
        if not pipe.poll(1.0):
            continue
        try:
            what, argument = pipe.recv()
        except EOFError:
            break
        if what == "end":
            break
        try:
            pipe.send(actions[what](argument))  # type: ignore[operator]
        except Exception as error:
            pipe.send(RuntimeError(f"{what}: {type(error).__name__}: {error}"))
    generator.end()
