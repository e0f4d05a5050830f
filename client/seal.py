"""What this device keeps of its own is sealed: AES-256-GCM under a key of one purpose, derived from the device's."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12


class SealError(ValueError):
    """What is sealed was damaged, or sealed under another key, or for another place. Says no more."""


class Seal:
    """Seals and opens."""

    def __init__(self, device_key: bytes, *, purpose: str) -> None:
        """Args:
        device_key: the device's 32 secret bytes.
        purpose: what is sealed with it; nothing sealed for another opens.
        """
        info = f"tacit/{purpose}".encode()
        self._key = AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(device_key))

    def close(self, content: bytes, *, place: str) -> bytes:
        """The content, sealed for one place: a file, a request, a round."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._key.encrypt(nonce, content, place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """The content. Raises: SealError."""
        try:
            return self._key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise SealError("what is sealed here cannot be opened") from None
