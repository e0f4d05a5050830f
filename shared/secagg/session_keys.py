"""Keys between two members of a session, by X25519 and HKDF-SHA256, and shares sealed with AES-256-GCM."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.secagg.secret_sharing import SHARE_BYTES, Entropy

_NONCE_BYTES = 12
_ANY_SECRET = bytes([1]) * 32


class SealError(ValueError):
    """A public key cannot be used, or sealed shares do not open."""


def public_key(secret: bytes) -> bytes:
    """The X25519 public key of 32 secret bytes."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def check_public_key(key: bytes) -> None:
    """Raises: SealError: no secret could be shared with its holder (it is of low order)."""
    _derive(_ANY_SECRET, key, b"")


def mask_key(secret: bytes, peer: bytes, *, context: bytes, one: int, other: int) -> bytes:
    """The key of the mask that two members share: the same whoever of them asks.

    Raises:
        SealError: the peer's key is of low order.
    """
    low, high = sorted((one, other))
    return _derive(secret, peer, b"tacit/secagg/mask\0" + context + _pair(low, high))


def commitment_to(mask_secret: bytes, *, context: bytes) -> bytes:
    """What a member shows of its own mask's key when it advertises."""
    return hashlib.sha256(b"tacit/secagg/own-mask\0" + context + mask_secret).digest()


class Sealer:
    """Seals shares for one peer and opens those from it."""

    def __init__(self, secret: bytes, peer: bytes, *, context: bytes, me: int, other: int) -> None:
        """Raises: SealError: the peer's key is of low order."""
        label = b"tacit/secagg/share\0" + context
        self._outward = AESGCM(_derive(secret, peer, label + _pair(me, other)))
        self._inward = AESGCM(_derive(secret, peer, label + _pair(other, me)))

    def seal(self, masking_share: int, own_mask_share: int, *, keys: bytes, entropy: Entropy) -> bytes:
        """One share of the masking key and one of the own mask's key.

        Args:
            keys: digest of all advertisements, which the peer must have been shown too.
        """
        nonce = entropy(_NONCE_BYTES)
        plain = masking_share.to_bytes(SHARE_BYTES, "big") + own_mask_share.to_bytes(SHARE_BYTES, "big")
        return nonce + self._outward.encrypt(nonce, plain, keys)

    def open(self, sealed: bytes, *, keys: bytes) -> tuple[int, int]:
        """The two shares. Raises: SealError: they are not from this peer, for this member, in this session."""
        try:
            plain = self._inward.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], keys)
        except (InvalidTag, ValueError):
            raise SealError("sealed shares do not open") from None
        return int.from_bytes(plain[:SHARE_BYTES], "big"), int.from_bytes(plain[SHARE_BYTES:], "big")


def _derive(secret: bytes, peer: bytes, info: bytes) -> bytes:
    try:
        common = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise SealError("a public key cannot be used") from None
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(common)


def _pair(first: int, second: int) -> bytes:
    return first.to_bytes(8, "big") + second.to_bytes(8, "big")
