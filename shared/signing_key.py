"""Ed25519 keys in files that only their owner can read: the server's, an organiser's, a device's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEY_BYTES = 32


class SigningKeyError(RuntimeError):
    """A key cannot be used. The message holds nothing of it."""


class SigningKey:
    """A private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.key = key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.public})"

    @property
    def public(self) -> str:
        """The public key, 64 hex digits."""
        return self.key.public_key().public_bytes_raw().hex()

    @classmethod
    def generate(cls) -> Self:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """The key of 32 secret bytes. Raises: SigningKeyError: another length."""
        if len(raw) != _KEY_BYTES:
            raise SigningKeyError(f"a key has {_KEY_BYTES} bytes")
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    def to_bytes(self) -> bytes:
        """32 secret bytes."""
        return self.key.private_bytes_raw()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises: SigningKeyError: no such file, others can read it, or it holds no key."""
        try:
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise SigningKeyError(f"{path} can be read by others: set its mode to 0600")
            raw = path.read_bytes()
        except OSError as error:
            raise SigningKeyError(f"cannot read {path}: {error.strerror or type(error).__name__}") from None
        if len(raw) != _KEY_BYTES:
            raise SigningKeyError(f"{path} holds no key: make one with `tacit-server key`")
        return cls.from_bytes(raw)

    def save(self, path: Path) -> None:
        """Writes a new file with mode 0600. Raises: FileExistsError, OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self.key.private_bytes_raw())
            file.flush()
            os.fsync(file.fileno())
