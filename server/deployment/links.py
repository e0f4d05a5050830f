"""Other servers' SuperLinks, whose devices this server's runs ask, too: `server.links` in `server.toml`.

    server.links = "/srv/east, /srv/west@9101"

A link is the directory of another server (with `server.is-link = true`: it has SuperLink and front door, and no
executor), which is up on this machine. One on another machine is a copy of three files of its directory
(`tls/authority.pem`, `superexec.secret`, `devices.json`) and @PORT, a port of this machine's loopback that a tunnel
leads to its SuperLink: that is never reached otherwise, as its Control API asks for no account.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.running import Running, read_running
from server.deployment.superlink import UnansweredError, connected

_NEEDED = ("tls/authority.pem", "superexec.secret", "devices.json")


@dataclass(frozen=True, kw_only=True)
class Link:
    """Attributes:
    directory: the other server's, or a copy of what is needed of it.
    running: where its SuperLink answers on this machine.
    """

    directory: ServerDirectory
    running: Running

    def numbers(self) -> dict[int, int]:
        """Its devices' numbers by node. Raises: DeploymentError."""
        with connected(self.directory, self.running) as control:
            return control.numbers(DeviceBook(self.directory.devices).active())


def open_links(directory: ServerDirectory) -> tuple[Link, ...]:
    """The links of a server, in the order of its settings.

    Raises:
        ConfigError, DeploymentError: `server.toml` is not right, or a link's files are not here.
        UnansweredError: a link is not up.
    """
    return tuple(_opened(named) for named in directory.settings().links or ())


def _opened(named: str) -> Link:
    path, at, port = named.rpartition("@")
    link = ServerDirectory(Path(path if at else named))
    if missing := [name for name in _NEEDED if not (link.path / name).exists()]:
        raise DeploymentError(f"the link {link.path} lacks {', '.join(missing)}")
    if at:
        return Link(directory=link, running=Running(pid=0, superlink=int(port), health=0))
    running = read_running(link)
    if running is None:
        raise UnansweredError(f"the link {link.path} is not up: start it with `tacit-server up {link.path}`")
    return Link(directory=link, running=running)


def all_numbers(own: dict[int, int], links: tuple[Link, ...]) -> dict[int, int]:
    """The number of every device by node, over all links.

    Raises:
        DeploymentError: two servers gave the same number to a device: roll calls would leave out both.
    """
    numbers = dict(own)
    taken = set(own.values())
    for link in links:
        found = link.numbers()
        if taken & set(found.values()):
            raise DeploymentError(
                f"devices of the link {link.directory.path} have numbers that others have, too: set "
                "server.first-number of each server apart before its first device is enrolled"
            )
        taken |= set(found.values())
        numbers |= found
    return numbers
