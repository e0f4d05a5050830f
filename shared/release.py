"""What a release says of itself: which adapter it is, of which run, and that this server made it. `manifest.json`.

A release is two files: `adapter.safetensors` (`shared.release_payload`), and this manifest, which is signed and names
the first by its hash. Each names the release before it: whoever knows one release of a run knows what came before, and
two stories of one run cannot both be told to them. A signature says who made a release, not that it is good.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from typing import cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.adapter_methods import METHODS, Method
from shared.signing_key import SigningKey

MANIFEST_FILE, ADAPTER_FILE = "manifest.json", "adapter.safetensors"
LARGEST_MANIFEST = 16384
# Somewhat above `shared.messages.MAX_SHARED_PARAMETERS` float32 numbers.
LARGEST_ADAPTER = 2**30 + 2**17

_DOMAIN = b"tacit/release/1\0"
_FORMAT = 1
_MOST_ROUNDS = 10**6
_LAST = 2**33  # seconds: the year 2242
_LONGEST_NAME = 256
_HEX = {"run": 32, "plan": 64, "specification": 64, "base_fingerprint": 64, "adapter": 64, "server": 64}


class ReleaseManifestError(ValueError):
    """A release cannot be believed, or is not what it says. The message says why, and quotes nothing of it."""


@dataclass(frozen=True, kw_only=True)
class ReleaseManifest:
    """Attributes:
    run: the run's own name, 32 hex digits.
    round_number: from 1; the release that this round ended with.
    plan: digest of the run's plan, 64 hex digits.
    specification: digest of the adapter's layout (`AdapterSpec.digest`), 64 hex digits.
    base_name, base_fingerprint: the base model's.
    method: by which the adapter was federated.
    adapter: SHA-256 of the adapter's file, 64 hex digits.
    size: of that file, in bytes.
    previous: digest of the manifest of the round before; "" of the first that was signed.
    made: seconds since 1970, UTC.
    server: public key that signed it, 64 hex digits.
    signature: the server's, 128 hex digits.
    """

    run: str
    round_number: int
    plan: str
    specification: str
    base_name: str
    base_fingerprint: str
    method: Method
    adapter: str
    size: int
    previous: str
    made: int
    server: str
    signature: str = ""

    def __post_init__(self) -> None:
        for name, digits in _HEX.items():
            if not _is_hex(getattr(self, name), digits):
                raise ReleaseManifestError(f"{name}: must be {digits} hex digits")
        if self.previous and not _is_hex(self.previous, 64):
            raise ReleaseManifestError("previous: must be 64 hex digits, or empty")
        if self.signature and not _is_hex(self.signature, 128):
            raise ReleaseManifestError("signature: must be 128 hex digits")
        if not 1 <= self.round_number <= _MOST_ROUNDS:
            raise ReleaseManifestError(f"round_number: must be from 1 to {_MOST_ROUNDS}")
        if self.round_number == 1 and self.previous:
            raise ReleaseManifestError("previous: nothing comes before the first round")
        if not 1 <= self.size <= LARGEST_ADAPTER:
            raise ReleaseManifestError(f"size: must be from 1 to {LARGEST_ADAPTER}")
        if not 0 < self.made <= _LAST:
            raise ReleaseManifestError("made: must be seconds since 1970")
        if not 1 <= len(self.base_name) <= _LONGEST_NAME or not self.base_name.isprintable():
            raise ReleaseManifestError(f"base_name: must be from 1 to {_LONGEST_NAME} printable characters")
        if self.method not in METHODS:
            raise ReleaseManifestError("method: is none that this version knows")

    def statement(self) -> bytes:
        """What is signed: a domain, then all values but the signature, in the order above, as JSON without spaces."""
        said = [getattr(self, name) for name in _KINDS if name != "signature"]
        return _DOMAIN + json.dumps([_FORMAT, *said], separators=(",", ":")).encode("ascii")

    def digest(self) -> str:
        """SHA-256 (hex) of what is signed: the release's name in the chain."""
        return hashlib.sha256(self.statement()).hexdigest()

    def signed(self, key: SigningKey) -> ReleaseManifest:
        """The same, by this server, with its signature."""
        named = replace(self, server=key.public, signature="")
        return replace(named, signature=key.key.sign(named.statement()).hex())

    def check(self, servers: Collection[str]) -> None:
        """Whether one of these keys signed it, and all of it.

        Raises:
            ReleaseManifestError: it did not; with no keys, always.
        """
        if self.server not in servers:
            raise ReleaseManifestError("the release was signed by a key that is not among the servers allowed here")
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.server))
            key.verify(bytes.fromhex(self.signature), self.statement())
        except (InvalidSignature, ValueError):
            raise ReleaseManifestError("the server did not sign this release, or it was changed since") from None

    def check_follows(self, before: ReleaseManifest) -> None:
        """Whether this is the next release of the same run.

        Raises:
            ReleaseManifestError: it is not.
        """
        self.check_same_run(before)
        if self.round_number != before.round_number + 1:
            raise ReleaseManifestError(f"round_number: does not follow release {before.round_number}")
        if self.previous != before.digest():
            raise ReleaseManifestError(f"previous: is not the digest of release {before.round_number}")

    def check_same_run(self, other: ReleaseManifest) -> None:
        """Whether two releases are of one run and one server, whatever lies between them.

        Raises:
            ReleaseManifestError: they are not.
        """
        for name in ("run", "plan", "specification", "base_name", "base_fingerprint", "method", "server"):
            if getattr(self, name) != getattr(other, name):
                raise ReleaseManifestError(f"{name}: is not that of the release before")

    def to_json(self) -> str:
        """The manifest as a file."""
        return json.dumps({"format": _FORMAT, **{name: getattr(self, name) for name in _KINDS}}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> ReleaseManifest:
        """A manifest, whoever signed it: see `check`. Strict. Raises: ReleaseManifestError."""
        if len(text) > LARGEST_MANIFEST:
            raise ReleaseManifestError("is larger than a manifest can be")
        try:
            said = json.loads(text, object_pairs_hook=_object)
        except ReleaseManifestError:
            raise
        except (ValueError, RecursionError):
            raise ReleaseManifestError("is not JSON") from None
        if not isinstance(said, dict):
            raise ReleaseManifestError("must be an object")
        known = {"format", *_KINDS}
        if unknown := set(said) - known:
            raise ReleaseManifestError(f"{len(unknown)} unknown keys; there are {', '.join(sorted(known))}")
        if missing := sorted(known - set(said)):
            raise ReleaseManifestError(f"missing keys: {', '.join(missing)}")
        form = said.pop("format")
        if type(form) is not int or form != _FORMAT:
            raise ReleaseManifestError(f"format: must be {_FORMAT}")
        for name, kind in _KINDS.items():
            if type(said[name]) is not kind:
                raise ReleaseManifestError(f"{name}: must be {'a text' if kind is str else 'an integer'}")
        return cls(**said)


_KINDS: dict[str, type] = {
    item.name: int if item.name in ("round_number", "size", "made") else str for item in fields(ReleaseManifest)
}


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):  # two values of one name: what was checked may not be what is read elsewhere
        raise ReleaseManifestError("a key stands there twice")
    return found


def _is_hex(value: object, digits: int) -> bool:
    text = cast(str, value)
    return len(text) == digits and set(text) <= set("0123456789abcdef")
