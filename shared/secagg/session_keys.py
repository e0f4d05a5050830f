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


class SecretKey:
    """An X25519 key, set up once for all the peers it is used with: that takes as long as a secret shared with one.

    Attributes:
        public: 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        """Args:
        secret: 32 bytes.
        """
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key().public_bytes_raw()

    def shared_with(self, peer: bytes) -> bytes:
        """The 32 bytes that the holder of a public key can also compute; to derive keys from.

        Raises:
            SealError: the peer's key is of low order.
        """
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(peer))
        except ValueError:
            raise SealError("a public key cannot be used") from None


def check_public_key(key: bytes) -> None:
    """Raises: SealError: no secret could be shared with its holder (it is of low order)."""
    SecretKey(_ANY_SECRET).shared_with(key)


def mask_key(own: SecretKey, peer: bytes, *, context: bytes, one: int, other: int) -> bytes:
    """The key of the mask that two members share: the same whoever of them asks.

    Raises:
        SealError: the peer's key is of low order.
    """
    low, high = sorted((one, other))
    return _derive(own.shared_with(peer), b"tacit/secagg/mask\0" + context + _pair(low, high))


def commitment_to(mask_secret: bytes, *, context: bytes) -> bytes:
    """What a member shows of its own mask's key when it advertises."""
    return hashlib.sha256(b"tacit/secagg/own-mask\0" + context + mask_secret).digest()


class Sealer:
    """Seals shares for one peer and opens those from it, each direction under its own key."""

    def __init__(self, own: SecretKey, peer: bytes, *, context: bytes, me: int, other: int) -> None:
        """Raises: SealError: the peer's key is of low order."""
        self._common = own.shared_with(peer)
        self._label = b"tacit/secagg/share\0" + context
        self._me, self._other = me, other

    def seal(self, masking_share: int, own_mask_share: int, *, keys: bytes, entropy: Entropy) -> bytes:
        """One share of the masking key and one of the own mask's key.

        Args:
            keys: digest of all advertisements, which the peer must have been shown too.
        """
        nonce = entropy(_NONCE_BYTES)
        plain = masking_share.to_bytes(SHARE_BYTES, "big") + own_mask_share.to_bytes(SHARE_BYTES, "big")
        return nonce + self._cipher(self._me, self._other).encrypt(nonce, plain, keys)

    def open(self, sealed: bytes, *, keys: bytes) -> tuple[int, int]:
        """The two shares. Raises: SealError: they are not from this peer, for this member, in this session."""
        try:
            plain = self._cipher(self._other, self._me).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], keys)
        except (InvalidTag, ValueError):
            raise SealError("sealed shares do not open") from None
        return int.from_bytes(plain[:SHARE_BYTES], "big"), int.from_bytes(plain[SHARE_BYTES:], "big")

    def _cipher(self, sender: int, receiver: int) -> AESGCM:
        return AESGCM(_derive(self._common, self._label + _pair(sender, receiver)))


def _derive(common: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(common)


def _pair(first: int, second: int) -> bytes:
    return first.to_bytes(8, "big") + second.to_bytes(8, "big")
