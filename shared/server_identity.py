"""Who asks: an Ed25519 key of the server's that signs every request, and that a device's policy can name.

Flower authenticates a connection; the app that answers does not learn to whom. A signed request says it itself.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.messages import TrainRequest

_KEY_BYTES = 32
_DOMAIN = b"tacit/train-request/1\0"


class ServerKeyError(RuntimeError):
    """The server's key cannot be used. The message holds nothing of it."""


class ServerKey:
    """A server's private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"ServerKey({self.public})"

    @property
    def public(self) -> str:
        """The public key, 64 hex digits: what a policy names."""
        return self._key.public_key().public_bytes_raw().hex()

    @classmethod
    def generate(cls) -> ServerKey:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> ServerKey:
        """Raises: ServerKeyError: no such file, others can read it, or it holds no key."""
        try:
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise ServerKeyError(f"{path} can be read by others: set its mode to 0600")
            raw = path.read_bytes()
        except OSError as error:
            raise ServerKeyError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
        if len(raw) != _KEY_BYTES:
            raise ServerKeyError(f"{path} holds no server key: make one with `tacit-server key`")
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def save(self, path: Path) -> None:
        """Writes a new file with mode 0600. Raises: FileExistsError, OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._key.private_bytes_raw())
            file.flush()
            os.fsync(file.fileno())

    def sign(self, request: TrainRequest) -> TrainRequest:
        """The request with this key's name and signature."""
        named = replace(request, server=self.public, signature="")
        return replace(named, signature=self._key.sign(_DOMAIN + bytes.fromhex(named.digest())).hex())


def is_signed(request: TrainRequest) -> bool:
    """Whether the key that a request names has signed all of it."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(request.server))
        key.verify(bytes.fromhex(request.signature), _DOMAIN + bytes.fromhex(request.digest()))
    except (InvalidSignature, ValueError):
        return False
    return True
