"""Which code may run: the hashes of bundles that an organiser allows until a day, signed.

A device runs the client that is installed on it whatever a server ships, and answers only for a bundle on this list: so
that it learns when the server means another version than the one it has, and so that nobody but the organiser can
bring a new one. Two lists that were signed by one organiser are told apart by their version; a device refuses one below
the highest that it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.signing_key import SigningKey

_DOMAIN = b"tacit/code-list/1\0"
_FORMAT = 1
_KEYS = {"format", "organiser", "version", "expires", "bundles", "signature"}
_MOST_BUNDLES = 64
_LARGEST = 16384
_LAST = 2**33  # seconds: the year 2242


class CodeListError(ValueError):
    """A code list cannot be believed, or does not allow it. The message says why."""


@dataclass(frozen=True, kw_only=True)
class CodeList:
    """Attributes:
    organiser: public key that signed it, 64 hex digits.
    version: counts up, from 1.
    expires: seconds since 1970, UTC; from then on nothing on the list is allowed.
    bundles: SHA-256 of each allowed bundle, 64 hex digits, ascending and different.
    signature: the organiser's, 128 hex digits.
    """

    organiser: str
    version: int
    expires: int
    bundles: tuple[str, ...]
    signature: str = ""

    def __post_init__(self) -> None:
        if not _is_hex(self.organiser, 64):
            raise CodeListError("organiser: must be 64 hex digits")
        if not 1 <= self.version < 2**53:
            raise CodeListError("version: must be at least 1")
        if not 0 < self.expires <= _LAST:
            raise CodeListError("expires: must be seconds since 1970")
        if not 1 <= len(self.bundles) <= _MOST_BUNDLES:
            raise CodeListError(f"bundles: must be from 1 to {_MOST_BUNDLES}")
        if any(not _is_hex(one, 64) for one in self.bundles) or list(self.bundles) != sorted(set(self.bundles)):
            raise CodeListError("bundles: must be hashes of 64 hex digits, ascending and different")
        if self.signature and not _is_hex(self.signature, 128):
            raise CodeListError("signature: must be 128 hex digits")

    def statement(self) -> bytes:
        """What is signed: a domain, then the list's values in a fixed order as JSON without spaces."""
        said = [self.organiser, self.version, self.expires, list(self.bundles)]
        return _DOMAIN + json.dumps(said, separators=(",", ":")).encode("ascii")

    def check(self, organiser: str, *, now: datetime | None = None) -> None:
        """Raises: CodeListError: another organiser's, not signed by it, or expired."""
        if self.organiser != organiser:
            raise CodeListError("the code list is another organiser's")
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.organiser))
            key.verify(bytes.fromhex(self.signature), self.statement())
        except (InvalidSignature, ValueError):
            raise CodeListError("the organiser did not sign this code list") from None
        if (now or datetime.now(UTC)).timestamp() >= self.expires:
            raise CodeListError(
                f"the code list expired on {datetime.fromtimestamp(self.expires, UTC):%Y-%m-%d}: ask the organiser for "
                "a new one"
            )

    def allows(self, bundle: str) -> bool:
        """Whether a bundle's hash is on the list. Says nothing about the list itself: see `check`."""
        return bundle in self.bundles

    def to_values(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "format": _FORMAT,
            "organiser": self.organiser,
            "version": self.version,
            "expires": self.expires,
            "bundles": list(self.bundles),
            "signature": self.signature,
        }

    def to_json(self) -> str:
        """The list as a file."""
        return json.dumps(self.to_values(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> CodeList:
        """A list, whoever signed it: see `check`. Raises: CodeListError."""
        if len(text) > _LARGEST:
            raise CodeListError("is larger than a code list can be")
        try:
            return cls.from_values(json.loads(text))
        except CodeListError:
            raise
        except (ValueError, RecursionError):
            raise CodeListError("is not JSON") from None

    @classmethod
    def from_values(cls, said: object) -> CodeList:
        """Of plain values; strict. Raises: CodeListError."""
        if not isinstance(said, dict):
            raise CodeListError("must be an object")
        if unknown := sorted(set(said) - _KEYS):
            raise CodeListError(f"unknown keys: {', '.join(map(repr, unknown))}")
        if missing := sorted(_KEYS - set(said)):
            raise CodeListError(f"missing keys: {', '.join(missing)}")
        if said["format"] != _FORMAT or type(said["format"]) is not int:
            raise CodeListError(f"format: must be {_FORMAT}")
        bundles = said["bundles"]
        for name, kind in (("organiser", str), ("version", int), ("expires", int), ("signature", str)):
            if type(said[name]) is not kind:
                raise CodeListError(f"{name}: must be {'a text' if kind is str else 'an integer'}")
        if (
            not isinstance(bundles, list)
            or len(bundles) > _MOST_BUNDLES
            or any(type(one) is not str for one in bundles)
        ):
            raise CodeListError(f"bundles: must be a list of at most {_MOST_BUNDLES} texts")
        return cls(
            organiser=said["organiser"],
            version=said["version"],
            expires=said["expires"],
            bundles=tuple(bundles),
            signature=said["signature"],
        )


def sign_code_list(organiser: SigningKey, bundles: Iterable[str], *, version: int, expires: int) -> CodeList:
    """A signed list. Raises: CodeListError: a hash is none."""
    made = CodeList(organiser=organiser.public, version=version, expires=expires, bundles=tuple(sorted(set(bundles))))
    return replace(made, signature=organiser.key.sign(made.statement()).hex())


def _is_hex(value: str, digits: int) -> bool:
    return len(value) == digits and set(value) <= set("0123456789abcdef")
