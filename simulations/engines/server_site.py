"""A server as `tacit-server up` starts it, on loopback, in a directory that goes with it: SuperLink behind TLS and node
keys, the front door, and the executor of runs.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from server.deployment.devices import DeviceBook, EnrolledDevice
from server.deployment.directory import ServerDirectory, ServerSettings
from server.deployment.processes import FRONT_DOOR, SUPERLINK
from server.deployment.running import LOOPBACK, Running, free_ports, read_running
from server.deployment.superlink import connected
from server.deployment.up import serve
from shared.device_card import DeviceCard
from simulations.engines.loopback import DeploymentError

_START_SECONDS = 120.0
_STOP_SECONDS = 60.0


class ServerSite:
    """One server that serves.

    Attributes:
        directory: its files.
        said: what it told its operator.
    """

    def __init__(self, directory: ServerDirectory) -> None:
        self.directory = directory
        self.said: list[str] = []

    @property
    def address(self) -> str:
        """HOST:PORT of the front door."""
        return self.directory.settings().address

    @property
    def running(self) -> Running:
        """Its ports inside. Raises: DeploymentError: it is not up."""
        running = read_running(self.directory)
        if running is None:
            raise DeploymentError("the server is not up")
        return running

    def trust(self) -> ssl.SSLContext:
        """What devices check its certificate against."""
        return ssl.create_default_context(cafile=str(self.directory.authority))

    def enrol(self, cards: Sequence[DeviceCard]) -> list[EnrolledDevice]:
        """Enrols devices and tells SuperLink of them."""
        book = DeviceBook(self.directory.devices, first_number=self.directory.settings().first_number)
        entries = [entry for entry, _ in book.enrol_all(cards)]
        with connected(self.directory, self.running) as control:
            control.follow(book)
        return entries

    def online(self) -> int:
        """How many nodes SuperLink believes to be there."""
        with connected(self.directory, self.running) as control:
            return sum(node.state == "online" for node in control.nodes())


@contextmanager
def server_site(
    place: Path, *, first_number: int = 0, is_link: bool = False, links: Sequence[str] = ()
) -> Iterator[ServerSite]:
    """A server in a new directory; all its processes end with the context.

    Args:
        first_number, is_link, links: as in its settings.

    Raises:
        DeploymentError: it does not serve.
    """
    front, metrics = free_ports(2)
    settings = ServerSettings(
        host="localhost", listen=LOOPBACK, port=front, metrics_port=metrics, first_number=first_number,
        is_link=is_link, links=tuple(links) or None,
    )  # fmt: skip
    site = ServerSite(ServerDirectory.create(place, settings))
    stop, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            serve(site.directory, say=site.said.append, stop=stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name=f"server {place.name}", daemon=True)
    thread.start()
    try:
        _wait_until_it_serves(site, thread, failed)
        yield site
    finally:
        stop.set()
        thread.join(_STOP_SECONDS)


def _wait_until_it_serves(site: ServerSite, thread: threading.Thread, failed: list[BaseException]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    wanted = {f"{SUPERLINK} serves", f"{FRONT_DOOR} serves"}
    while not wanted <= set(site.said):
        if not thread.is_alive():
            said = failed[0] if failed else "it ended"
            raise DeploymentError(f"the server did not start: {said}")
        if time.monotonic() > deadline:
            raise DeploymentError(f"the server did not serve within {_START_SECONDS:g} s: {'; '.join(site.said)}")
        time.sleep(0.1)
