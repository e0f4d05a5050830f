"""Which server a device has joined: `server.toml` of its profile."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from client.server_url import is_loopback
from shared.private_files import write_private

_FORMAT = 1
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_MOST_NUMBER = 2**63 - 1


class ServerSettingsError(ValueError):
    """The settings cannot be read or are not allowed. Says what to do."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Attributes:
    host, port: of the server.
    root_certificates: PEM file of the authority that the server's certificate is checked against; None speaks plainly,
        which only a server on this machine may.
    number: by which cohorts know this device.
    node_key: file of the P-384 key, in OpenSSH's format, by which the server knows this device's connection; None where
        it knows none.
    organiser: public key, hex, of whose code list a run's bundle must be on; None asks for no list.
    server_key: public key, hex, that every request must be signed by; None leaves that to the policy.
    """

    host: str
    port: int
    root_certificates: Path | None = None
    number: int = 0
    node_key: Path | None = None
    organiser: str | None = None
    server_key: str | None = None

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 2**16:
            raise ServerSettingsError("the server must be HOST:PORT, as in tacit.example:443")
        if not 0 <= self.number <= _MOST_NUMBER:
            raise ServerSettingsError("the device's number must be from 0 to 2^63 - 1")
        for name, key in (("organiser", self.organiser), ("server's key", self.server_key)):
            if key is not None and not _PUBLIC_KEY.fullmatch(key):
                raise ServerSettingsError(f"the {name} must be a public key of 64 hex digits")
        if self.node_key is not None and self.root_certificates is None:
            raise ServerSettingsError("a node key is shown over TLS only: give the authority's certificate with --ca")
        if self.root_certificates is None and not is_loopback(self.host):
            raise ServerSettingsError(
                "a server on another machine is spoken to over TLS only: give its authority's certificate with --ca"
            )

    @property
    def address(self) -> str:
        """`HOST:PORT`."""
        return f"{self.host}:{self.port}"

    @property
    def whom(self) -> tuple[str, int, str | None, str | None]:
        """Who was joined, however they are reached."""
        return self.host, self.port, self.organiser, self.server_key

    @classmethod
    def parse(
        cls,
        address: str,
        *,
        root_certificates: Path | None,
        number: int,
        node_key: Path | None = None,
        organiser: str | None = None,
        server_key: str | None = None,
    ) -> ServerSettings:
        """Of what a person types. Raises: ServerSettingsError."""
        host, _, port = address.rpartition(":")
        if not port.isascii() or not port.isdigit():
            raise ServerSettingsError("the server must be HOST:PORT, as in tacit.example:443")
        return cls(
            host=host.strip("[]"),
            port=int(port),
            root_certificates=root_certificates,
            number=number,
            node_key=node_key,
            organiser=organiser,
            server_key=server_key,
        )

    def write(self, path: Path) -> None:
        """Whole or not at all. Raises: OSError."""
        values: dict[str, object] = {"format": _FORMAT, "address": self.address, "number": self.number}
        if self.root_certificates is not None:
            values["root-certificates"] = str(self.root_certificates)
        if self.node_key is not None:
            values["node-key"] = str(self.node_key)
        if self.organiser is not None:
            values["organiser"] = self.organiser
        if self.server_key is not None:
            values["server-key"] = self.server_key
        write_private(path, [tomli_w.dumps(values).encode()])

    @classmethod
    def load(cls, path: Path) -> ServerSettings | None:
        """The settings in a file; None where there is none.

        Raises:
            ServerSettingsError: it is damaged.
        """
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ServerSettingsError(f"{path} cannot be read ({type(error).__name__})") from None
        address, number, certificates = (values.get(key) for key in ("address", "number", "root-certificates"))
        if values.get("format") != _FORMAT or not isinstance(address, str) or not isinstance(number, int):
            raise ServerSettingsError(f"{path} is not of this version")
        node_key, organiser, server_key = (values.get(key) for key in ("node-key", "organiser", "server-key"))
        if not all(isinstance(value, str | None) for value in (certificates, node_key, organiser, server_key)):
            raise ServerSettingsError(f"{path} is damaged: its files and keys must be texts")
        return cls.parse(
            address,
            root_certificates=None if certificates is None else Path(certificates),
            number=number,
            node_key=None if node_key is None else Path(node_key),
            organiser=organiser,
            server_key=server_key,
        )
