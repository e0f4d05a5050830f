"""Where private text may be sent: to a model server on this machine, and to what the user's policy file names.

Without a policy file only loopback is allowed: 127.0.0.0/8 and ::1, as an address or as a host name of which every
address is one of those. A name is resolved once, here; `Endpoint.addresses` are what was checked and what is connected
to, so a name that resolves to something else later (DNS rebinding) changes nothing. Any other server needs an entry in
the policy file, TOML that only its owner can write, and the caller must ask for it by the entry's name:

    [[endpoint]]
    name = "lab-gpu"
    url = "https://gpu.lab.example:8443/v1"
    purpose = ["rewrite", "judge"]
    ca_file = "lab-ca.pem"                                 # optional: the only authority trusted; else certifi's
    api_key_variable = "LAB_GPU_KEY"                       # optional: an environment variable; never the key itself
    i_understand_that_private_text_is_sent_there = true    # needed for every server but one on this machine

Plain http to another machine is refused whatever the file says. Everything else that is not understood is refused too,
and no error repeats a URL, which may hold a password.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
import tomllib
from dataclasses import dataclass
from pathlib import Path

import certifi

from client.guarded_file import GuardedFileError, read_guarded
from client.policy_entry import PURPOSES, PolicyEntry, Purpose, parse_policy_entry, shown_key
from client.server_url import EndpointRefusedError, ServerUrl, is_loopback, is_of_one_machine, parse_server_url

__all__ = ["Endpoint", "EndpointPolicy", "EndpointRefusedError", "Purpose"]

MAX_POLICY_BYTES = 64 * 2**10
MAX_CA_BYTES = 4 * 2**20

_KEY = re.compile(r"[!-~]+")
_POSITION = re.compile(r"\(at [a-z0-9 ,]+\)$")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A server that private text may be sent to, for one purpose.

    Attributes:
        addresses: every address of the host, checked; only these are connected to.
        entry: what the policy file says about it; None for a server on this machine that it does not name.

    Raises:
        EndpointRefusedError: one that the policy's rules forbid cannot be made.
    """

    url: ServerUrl
    addresses: tuple[str, ...]
    purpose: Purpose
    entry: PolicyEntry | None = None

    def __post_init__(self) -> None:
        if not self.addresses:
            raise EndpointRefusedError(f"{self.url.host}: has no address")
        if self.entry is not None and (self.entry.url != self.url or self.purpose not in self.entry.purposes):
            raise EndpointRefusedError(
                f"{self.entry.name}: the policy does not allow this URL for this purpose ({self.purpose})"
            )
        far = self.url.scheme == "https" and self.entry is not None and self.entry.consents
        for address in self.addresses:
            if not is_loopback(address) and not (far and is_of_one_machine(address)):
                raise EndpointRefusedError(
                    f"{self.url.host}: {address} is not this machine's loopback, so private text would leave it. "
                    "Run the model here, or name the server (https) in the policy file and use it by that name"
                )

    @property
    def name(self) -> str:
        """The policy's name for it, else its host and port."""
        return self.entry.name if self.entry is not None else self.url.authority

    @property
    def consents(self) -> bool:
        """Whether the user has said that private text may leave this machine there."""
        return self.entry is not None and self.entry.consents

    def api_key(self) -> str | None:
        """The key, read now from the environment; None where the policy names no variable.

        Raises:
            EndpointRefusedError: the variable is not set, or holds what cannot be a key.
        """
        if self.entry is None or self.entry.api_key_variable is None:
            return None
        key = os.environ.get(self.entry.api_key_variable, "")
        if not _KEY.fullmatch(key):
            raise EndpointRefusedError(
                f"{self.name}: set the environment variable {self.entry.api_key_variable} to the server's key"
            )
        return key

    def tls(self) -> ssl.SSLContext | None:
        """How an https server is verified; None for http. Neither SSL_CERT_FILE nor SSLKEYLOGFILE has a say.

        Raises:
            EndpointRefusedError: the authority's file cannot be used, or others can write it.
        """
        if self.url.scheme == "http":
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.entry is None or self.entry.ca_file is None:
            context.load_verify_locations(cafile=certifi.where())
            return context
        pem = _read(self.entry.ca_file, limit=MAX_CA_BYTES, may_be_roots=True)
        try:
            context.load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            raise EndpointRefusedError(f"{self.entry.ca_file}: holds no PEM certificates") from None
        return context


@dataclass(frozen=True, kw_only=True)
class EndpointPolicy:
    """Which servers may be used. Without entries: those on this machine, for every purpose."""

    entries: tuple[PolicyEntry, ...] = ()

    @classmethod
    def load(cls, path: Path) -> EndpointPolicy:
        """Reads a policy file.

        Raises:
            EndpointRefusedError: it is missing, not a file of the user's that only the user can write, or any line of
                it is not understood. Names file, entry (from 1) and key.
        """
        problem = ""
        try:
            table = tomllib.loads(_read(path, limit=MAX_POLICY_BYTES))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            found = _POSITION.search(str(error))
            problem = f"{path}: is not TOML {found.group() if found else ''}".rstrip()
        if problem:
            raise EndpointRefusedError(problem)
        for key in table:
            if key != "endpoint":
                raise EndpointRefusedError(f"{path}, {shown_key(key)}: unknown key")
        found_entries = table.get("endpoint", [])
        if not isinstance(found_entries, list) or not all(isinstance(entry, dict) for entry in found_entries):
            raise EndpointRefusedError(f"{path}, endpoint: must be tables, each written as [[endpoint]]")
        entries = tuple(parse_policy_entry(path, number, entry) for number, entry in enumerate(found_entries, start=1))
        names = [entry.name for entry in entries]
        for number, name in enumerate(names, start=1):
            if name in names[: number - 1]:
                raise EndpointRefusedError(f"{path}, endpoint {number}, name: is another endpoint's name already")
        return cls(entries=entries)

    def resolve(self, name_or_url: str, purpose: Purpose) -> Endpoint:
        """The endpoint of that name in the policy, or the server on this machine at that URL.

        Raises:
            EndpointRefusedError: it may not be used, or not for this purpose; or its name cannot be resolved.
        """
        if purpose not in PURPOSES:
            raise EndpointRefusedError(f"the purpose must be one of {', '.join(PURPOSES)}")
        entry = None if "://" in name_or_url else self._entry(name_or_url)
        url = parse_server_url(name_or_url) if entry is None else entry.url
        if entry is None:
            known = next((other for other in self.entries if other.url == url), None)
            if known is not None and not url.is_local():
                raise EndpointRefusedError(
                    f"{url.host}: the policy file names this server {known.name}; use it by that name"
                )
        elif purpose not in entry.purposes:
            raise EndpointRefusedError(f"{entry.name}: the policy does not allow it for this purpose ({purpose})")
        return Endpoint(url=url, addresses=_addresses(url), purpose=purpose, entry=entry)

    def _entry(self, name: str) -> PolicyEntry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.entries) or "none"
        raise EndpointRefusedError(
            f"the policy names no such endpoint (it names: {known}); "
            "a server on this machine is given by its URL, such as http://127.0.0.1:11434/v1"
        )


def _addresses(url: ServerUrl) -> tuple[str, ...]:
    """Every address of a host, in the resolver's order."""
    try:
        return (str(ipaddress.ip_address(url.host)),)
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise EndpointRefusedError(
            f"{url.host}: this host name cannot be resolved; check its spelling, or give the address"
        )
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _read(path: Path, *, limit: int, may_be_roots: bool = False) -> str:
    try:
        return read_guarded(path, limit=limit, may_be_roots=may_be_roots)
    except GuardedFileError as error:
        problem = str(error)
    raise EndpointRefusedError(problem)
