"""A server's directory: what `tacit-server init` makes and every other command works on.

    server.toml          where the server listens, and under which name devices know it
    server.key           Ed25519: signs every request to a device
    superexec.secret     with it a process may take ServerApp tasks
    tls/                 authority.{pem,key} and what it certifies: server.{pem,key} for devices, and
                         superlink.{pem,key} for this machine's own processes
    devices.json         who is enrolled, by number
    roster.json          the organiser's signed list of them, brought here by hand
    runs/NAME/           a run's directory, with its plan in run.toml and where it stands in control.json
    state/, logs/        SuperLink's database and what is running now; a file a process

The organiser's key is never in it: who has both can make up devices, and unmask others.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import tomli_w

from server.deployment.certificates import Authority
from shared.flat_config import ConfigError, from_tables, refuse_unknown, require, take, to_tables, write_fields
from shared.private_files import write_private
from shared.server_identity import ServerKey

ORGANISER_KEY_FILE = "organiser.key"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MOST_PORT = 2**16 - 1
_MOST_MEGABYTES = 1024
_MOST_NUMBER = 10**12


class DeploymentError(RuntimeError):
    """The server cannot do this. The message says what to do."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """`server.toml`.

    Attributes:
        host: name or address by which devices reach this server; its certificate names it.
        port: of the front door.
        listen: address that the front door listens on.
        metrics_port: of /metrics and /health, on loopback only.
        largest_request: megabytes of one request's body; Flower sends 5 MB at a time.
        first_number: of the first device that is enrolled here; apart from those of other servers that are links.
        is_link: another server runs the rounds of the devices that reach this one (its `links`).
        links: servers whose devices are asked, too: see `server.deployment.links`.
    """

    host: str
    port: int = 8443
    listen: str = "0.0.0.0"  # noqa: S104  # the front door is what devices are to reach
    metrics_port: int = 9464
    largest_request: int = 16
    first_number: int = 0
    is_link: bool = False
    links: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        require(is_host(self.host), "server.host", "must be a host name or an address, such as tacit.example")
        for name, port in (("port", self.port), ("metrics-port", self.metrics_port)):
            require(1 <= port <= _MOST_PORT, f"server.{name}", f"must be from 1 to {_MOST_PORT}")
        require(self.port != self.metrics_port, "server.metrics-port", "must differ from server.port")
        require(_is_address(self.listen), "server.listen", "must be an address, such as 0.0.0.0 or ::")
        within = 8 <= self.largest_request <= _MOST_MEGABYTES
        require(within, "server.largest-request", f"must be from 8 to {_MOST_MEGABYTES} megabytes")
        require(0 <= self.first_number < _MOST_NUMBER, "server.first-number", f"must be from 0 to {_MOST_NUMBER - 1}")
        require(not (self.is_link and self.links), "server.links", "must be absent: a link has none of its own")
        for link in self.links or ():
            path, at, tunnel = link.rpartition("@")
            right = not at or (tunnel.isascii() and tunnel.isdigit() and 1 <= int(tunnel) <= _MOST_PORT)
            require(
                right and Path(path if at else link).is_absolute(), "server.links", "must be absolute DIR or DIR@PORT"
            )

    @property
    def address(self) -> str:
        """HOST:PORT as a device names it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def to_toml(self) -> str:
        """The file."""
        return tomli_w.dumps(to_tables(write_fields(self, "server")))

    @classmethod
    def from_toml(cls, text: str) -> ServerSettings:
        """Raises: ConfigError: an unknown key, a wrong type or a value out of range."""
        try:
            left = from_tables(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(str(error)) from None
        require("server.host" in left, "server.host", "is missing")
        settings = take(cls, "server", left)
        refuse_unknown(left)
        return settings


class ServerDirectory:
    """Where everything of one server is."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.settings_file = self.path / "server.toml"
        self.signing_key = self.path / "server.key"
        self.secret = self.path / "superexec.secret"
        self.tls = self.path / "tls"
        self.devices = self.path / "devices.json"
        self.roster = self.path / "roster.json"
        self.runs = self.path / "runs"
        self.state = self.path / "state"
        self.logs = self.path / "logs"

    def __repr__(self) -> str:
        return f"ServerDirectory({self.path})"

    @property
    def authority(self) -> Path:
        """The authority's certificate: what devices check the server's against."""
        return self.tls / "authority.pem"

    def certificate(self, name: str) -> tuple[Path, Path]:
        """Certificate and key, "server" for devices or "superlink" for this machine."""
        return self.tls / f"{name}.pem", self.tls / f"{name}.key"

    def run(self, name: str) -> Path:
        """A run's directory. Raises: DeploymentError: not a name."""
        if not _RUN_NAME.fullmatch(name):
            raise DeploymentError(
                "a run's name has letters, digits, - and _, at most 64, and begins with none of - and _"
            )
        return self.runs / name

    def settings(self) -> ServerSettings:
        """Raises: DeploymentError: not a server's directory; ConfigError: `server.toml` is not right."""
        try:
            text = self.settings_file.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise DeploymentError(
                f"{self.path} is not a server's directory: make one with `tacit-server init`, or name it with --server"
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self.settings_file}: is not text") from None
        try:
            return ServerSettings.from_toml(text)
        except ConfigError as error:
            raise ConfigError(f"{self.settings_file}: {error}") from None

    def renew(self) -> None:
        """New certificates for what `server.toml` says, by the authority that is there.

        Raises:
            DeploymentError: the authority's key is not here, or has expired; OSError.
        """
        settings = self.settings()
        authority = Authority.load(self.authority, self.tls / "authority.key")
        issue(self, authority, settings)

    @classmethod
    def create(cls, path: Path, settings: ServerSettings) -> ServerDirectory:
        """A new directory with mode 0700, whole or not at all.

        Raises:
            DeploymentError: something is there already, or it is an organiser's directory, or in one.
            OSError: it cannot be written.
        """
        path = path.absolute()
        if (organiser := _above(path, ORGANISER_KEY_FILE)) is not None:
            raise DeploymentError(
                f"{organiser} holds the organiser's key, which must be on another machine than the server"
            )
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise DeploymentError(f"{path} is there already, and not empty")
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))  # mode 0700
        try:
            new = cls(made)
            for folder in (new.tls, new.runs, new.state, new.logs):
                folder.mkdir(mode=0o700)
            new.settings_file.write_text(settings.to_toml(), encoding="utf-8")
            ServerKey.generate().save(new.signing_key)
            write_private(new.secret, [secrets.token_bytes(32)])
            authority = Authority.generate(f"Tacit authority of {settings.host}")
            authority.save(new.authority, new.tls / "authority.key")
            issue(new, authority, settings)
            made.replace(path)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return cls(path)


def issue(directory: ServerDirectory, authority: Authority, settings: ServerSettings) -> None:
    """Both certificates: the one that devices see names the host, the other this machine only. Raises: OSError."""
    authority.issue([settings.host], *directory.certificate("server"))
    authority.issue(["localhost", "127.0.0.1"], *directory.certificate("superlink"))


def server_directory_above(path: Path) -> Path | None:
    """The server's directory that a path is, or is in; None if it is in none."""
    return _above(path, "server.toml")


def _above(path: Path, name: str) -> Path | None:
    # Without "..", which would hide a parent, and through links.
    path = path.resolve()
    return next((place for place in (path, *path.parents) if (place / name).exists()), None)


def is_host(text: str) -> bool:
    """Whether a text is a host name or an address in its plain form."""
    return _is_address(text) or (bool(_NAME.fullmatch(text)) and ".." not in text and not text[-1].isdigit())


def _is_address(text: str) -> bool:
    try:
        return str(ipaddress.ip_address(text)) == text
    except ValueError:
        return False
