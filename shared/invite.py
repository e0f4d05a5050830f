"""An invite: everything that a device must know of a server to join it, in a file or in one line.

Nothing in it is secret, and everything in it is trust: whoever can change an invite on its way can put a server of
their own in it. So two people compare its `fingerprint` by eye, over a channel that the sender of the invite does not
control. The fingerprint covers who is trusted (address, authority, organiser, server) and whether there is a code list,
but not what is on it, which expires and is signed by itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shared.code_list import CodeList, CodeListError

PREFIX = "tacit1:"
_FORMAT = 1
_KEYS = {"format", "server", "authority", "organiser", "server_key", "code_list"}
_REQUIRED = _KEYS - {"code_list"}
_LARGEST = 32768
_LARGEST_AUTHORITY = 8192
_DOMAIN = b"tacit/invite/2\0"
_GROUPS, _GROUP_SIZE = 8, 4
# Crockford's base 32: no I, L, O and U, which look or sound like others.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}")


class InviteError(ValueError):
    """Not an invite. The message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Invite:
    """Attributes:
    server: HOST:PORT of the front door.
    authority: certificate, in PEM, that the server's is checked against.
    organiser: Ed25519 public key of who enrols devices and allows code, 64 hex digits.
    server_key: Ed25519 public key that signs every request, 64 hex digits.
    code_list: what code the organiser allows; None if the organiser has not said.
    """

    server: str
    authority: str
    organiser: str
    server_key: str
    code_list: CodeList | None = None

    def __post_init__(self) -> None:
        if not _SERVER.fullmatch(self.server) or not 0 < int(self.server.rpartition(":")[2]) < 2**16:
            raise InviteError("server: must be HOST:PORT")
        if len(self.authority) > _LARGEST_AUTHORITY:
            raise InviteError("authority: is larger than a certificate can be")
        try:
            self._certificate()
        except ValueError:
            raise InviteError("authority: must be one certificate in PEM") from None
        for name in ("organiser", "server_key"):
            value: str = getattr(self, name)
            if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
                raise InviteError(f"{name}: must be 64 hex digits")
        if self.organiser == self.server_key:
            raise InviteError("organiser and server_key: must be two keys")
        if self.code_list is not None and self.code_list.organiser != self.organiser:
            raise InviteError("code_list: is another organiser's")

    def fingerprint(self) -> str:
        """Eight groups of four letters and digits: 160 bits of SHA-256 over who is trusted, and for any code or not."""
        has_list = self.code_list is not None
        said = [self.server, self._certificate().hex(), self.organiser, self.server_key, has_list]
        digest = hashlib.sha256(_DOMAIN + json.dumps(said, separators=(",", ":")).encode("ascii")).digest()
        letters = base64.b32encode(digest[: _GROUPS * _GROUP_SIZE * 5 // 8]).decode("ascii")
        letters = letters.translate(str.maketrans(_PLAIN, _ALPHABET))
        return " ".join(letters[start : start + _GROUP_SIZE] for start in range(0, len(letters), _GROUP_SIZE))

    def to_json(self) -> str:
        """The invite as a file."""
        return json.dumps(self._values(), indent=2) + "\n"

    def to_line(self) -> str:
        """The invite in one line, to be pasted."""
        packed = zlib.compress(json.dumps(self._values(), separators=(",", ":")).encode("ascii"), 9)
        return PREFIX + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Invite:
        """Of a file's content, or of the line. Raises: InviteError."""
        if len(text) > _LARGEST:
            raise InviteError("is larger than an invite can be")
        text = text.strip()
        return cls._of_json(_unpacked(text.removeprefix(PREFIX)) if text.startswith(PREFIX) else text)

    def _certificate(self) -> bytes:
        """The authority's certificate, DER. Raises: ValueError."""
        if self.authority.count("-----BEGIN") != 1:
            raise ValueError
        certificate = x509.load_pem_x509_certificate(self.authority.encode("ascii"))
        return certificate.public_bytes(Encoding.DER)

    def _values(self) -> dict[str, object]:
        values: dict[str, object] = {
            "format": _FORMAT,
            "server": self.server,
            "authority": self.authority,
            "organiser": self.organiser,
            "server_key": self.server_key,
        }
        if self.code_list is not None:
            values["code_list"] = self.code_list.to_values()
        return values

    @classmethod
    def _of_json(cls, text: str) -> Invite:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise InviteError("is neither an invite's file nor its line, which begins with tacit1:") from None
        if not isinstance(said, dict):
            raise InviteError("must be an object")
        if unknown := sorted(set(said) - _KEYS):
            raise InviteError(f"unknown keys: {', '.join(map(repr, unknown))}")
        if missing := sorted(_REQUIRED - set(said)):
            raise InviteError(f"missing keys: {', '.join(missing)}")
        if said["format"] != _FORMAT or type(said["format"]) is not int:
            raise InviteError(f"format: must be {_FORMAT}; another version of Tacit made this invite")
        for name in ("server", "authority", "organiser", "server_key"):
            if type(said[name]) is not str:
                raise InviteError(f"{name}: must be a text")
        try:
            code_list = CodeList.from_values(said["code_list"]) if "code_list" in said else None
        except CodeListError as error:
            raise InviteError(f"code_list: {error}") from None
        return cls(
            server=said["server"],
            authority=said["authority"],
            organiser=said["organiser"],
            server_key=said["server_key"],
            code_list=code_list,
        )


def _unpacked(packed: str) -> str:
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        opened = zlib.decompressobj()
        text = opened.decompress(raw, _LARGEST)
        if not opened.eof or opened.unused_data:
            raise ValueError
        return text.decode("ascii")
    except (ValueError, zlib.error):
        raise InviteError("its line was cut short or changed") from None
