"""The base URL of a model server, read so that nothing else reads it differently, and what an address in it means."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

Scheme = Literal["http", "https"]

_URL_CHARACTERS = re.compile(r"[!-~]+")  # urlsplit drops tabs and line ends: a URL with them is not what it seems
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")


class EndpointRefusedError(ValueError):
    """Private text may not be sent there. The message says which rule forbids it, and what to do."""


@dataclass(frozen=True, kw_only=True)
class ServerUrl:
    """The base URL of an OpenAI-compatible server, in parts.

    Attributes:
        host: a name in lower case, or an address in its plain form, without brackets.
        path: begins with `/` and does not end with it, or is empty. Usually `/v1`.
    """

    scheme: Scheme
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """`host:port` as a Host header has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def is_local(self) -> bool:
        """Whether the URL says by itself that it means this machine: a loopback address, or `localhost`."""
        return self.host == "localhost" or is_loopback(self.host)


def parse_server_url(text: str) -> ServerUrl:
    """A base URL in parts: http or https, an address or a host name, and nothing that is read differently elsewhere.

    Raises:
        EndpointRefusedError: user and password, a query, a fragment, an escaped or non-ASCII character, an address in
            any spelling but its plain one (decimal, octal, hexadecimal, shortened), or no URL at all.
    """
    if not _URL_CHARACTERS.fullmatch(text) or "\\" in text or "%" in text:
        raise EndpointRefusedError(
            "the URL must be plain ASCII without spaces, backslashes and escapes, as in http://127.0.0.1:11434/v1"
        )
    try:
        parts = urlsplit(text)
    except ValueError:  # its message repeats the URL
        parts = urlsplit("")
    if parts.scheme not in ("http", "https"):
        raise EndpointRefusedError("the URL must begin with http:// or https://")
    if "@" in parts.netloc:
        raise EndpointRefusedError(
            "the URL must not hold a user or a password; a key goes into an environment variable that the policy names"
        )
    if "?" in text or "#" in text or not _PATH.fullmatch(parts.path):
        raise EndpointRefusedError("the URL must end with a plain path such as /v1, without a query or a fragment")
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None:
        raise EndpointRefusedError("the URL must name a host, and a port if need be, as in http://127.0.0.1:11434/v1")
    bracketed, name, port_text = found.groups()
    scheme: Scheme = "https" if parts.scheme == "https" else "http"
    port = int(port_text) if port_text else (443 if scheme == "https" else 80)
    if not 0 < port < 2**16:
        raise EndpointRefusedError("the URL's port must be between 1 and 65535")
    host = _host(bracketed, version=6) if bracketed else _host(name.lower(), version=4)
    return ServerUrl(scheme=scheme, host=host, port=port, path=parts.path.rstrip("/"))


def is_loopback(address: str) -> bool:
    """Whether an address is this machine and nothing else: in 127.0.0.0/8, or ::1. Not so for an IPv4 address that is
    mapped into IPv6, for 0.0.0.0, nor for anything that is not an address in its plain form."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback if parsed.version == 4 else parsed == ipaddress.IPv6Address("::1")


def is_of_one_machine(address: str) -> bool:
    """Whether an address is one machine's, wherever that is, and means the same on every link."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None
    # Link-local: where clouds keep their metadata, and different on every link.
    return not (mapped or parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local)


def _host(text: str, *, version: int) -> str:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        parsed = None
    if parsed is not None and parsed.version == version:
        return str(parsed)
    # What ends in a number is an address to the C library (127.1, 0x7f000001, 017700000001), and a name to nobody.
    if version == 6 or _NUMBER.fullmatch(text.rsplit(".", 1)[-1]) or not _HOST_NAME.fullmatch(text) or len(text) > 253:
        raise EndpointRefusedError(
            "the URL's host is neither a host name nor an address in its plain form, such as 127.0.0.1 or [::1]"
        )
    return text
