"""What travels in a session: fixed layouts of bytes, and the statements that devices sign.

Nothing here is believed before it was parsed whole: a length that does not fit, more entries than there are members
(`most`), a number twice or out of order is a `LayoutError`, and says nothing about the content.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.secagg.secret_sharing import SHARE_BYTES

KEY_BYTES = 32
SIGNATURE_BYTES = 64
_NUMBER = struct.Struct(">Q")
_NONCE_BYTES, _TAG_BYTES = 12, 16
SEALED_BYTES = _NONCE_BYTES + 2 * SHARE_BYTES + _TAG_BYTES


class LayoutError(ValueError):
    """Bytes are not a message of this protocol."""


@dataclass(frozen=True, kw_only=True)
class Advertisement:
    """A member's keys of one session, vouched for by its long-term identity.

    Attributes:
        number: the device's.
        sealing_key: X25519 public key under which shares for it are sealed.
        masking_key: X25519 public key from which its pairwise masks are made.
        commitment: SHA-256 of its own mask's key.
        signature: over the rest.
    """

    number: int
    sealing_key: bytes
    masking_key: bytes
    commitment: bytes
    signature: bytes = b""

    def statement(self, context: bytes) -> bytes:
        """What is signed."""
        return b"tacit/secagg/keys\0" + context + self._unsigned()

    def to_bytes(self) -> bytes:
        """168 bytes."""
        return self._unsigned() + self.signature

    def _unsigned(self) -> bytes:
        return _NUMBER.pack(self.number) + self.sealing_key + self.masking_key + self.commitment


def parse_advertisement(data: bytes) -> Advertisement:
    """Raises: LayoutError."""
    entries = _entries(data, 3 * KEY_BYTES + SIGNATURE_BYTES, most=1)
    if len(entries) != 1:
        raise LayoutError("not one member's keys")
    return _advertisement(*entries[0])


def parse_advertisements(data: bytes, *, most: int) -> tuple[Advertisement, ...]:
    """Ascending by number. Raises: LayoutError."""
    return tuple(_advertisement(*entry) for entry in _entries(data, 3 * KEY_BYTES + SIGNATURE_BYTES, most=most))


def join_advertisements(advertisements: Iterable[Advertisement]) -> bytes:
    """The bytes of several, ascending by number."""
    return b"".join(one.to_bytes() for one in sorted(advertisements, key=lambda one: one.number))


def join_entries(entries: Mapping[int, bytes]) -> bytes:
    """Something for or from each of several members, ascending by number."""
    return b"".join(_NUMBER.pack(number) + entries[number] for number in sorted(entries))


def parse_sealed(data: bytes, *, most: int) -> dict[int, bytes]:
    """Sealed shares by the member they are for, or from. Raises: LayoutError."""
    return dict(_entries(data, SEALED_BYTES, most=most))


def parse_signatures(data: bytes, *, most: int) -> dict[int, bytes]:
    """Signatures by signer. Raises: LayoutError."""
    return dict(_entries(data, SIGNATURE_BYTES, most=most))


def parse_shares(data: bytes, *, most: int) -> dict[int, int]:
    """Shares by the member whose secret they are of. Raises: LayoutError."""
    return {number: int.from_bytes(share, "big") for number, share in _entries(data, SHARE_BYTES, most=most)}


def join_shares(shares: Mapping[int, int]) -> bytes:
    """The bytes of shares by the member whose secret they are of."""
    return join_entries({number: share.to_bytes(SHARE_BYTES, "big") for number, share in shares.items()})


def join_numbers(numbers: Iterable[int]) -> bytes:
    """Members' numbers, ascending."""
    return b"".join(_NUMBER.pack(number) for number in sorted(numbers))


def parse_numbers(data: bytes, *, most: int) -> tuple[int, ...]:
    """Raises: LayoutError."""
    return tuple(number for number, _ in _entries(data, 0, most=most))


def survivors_statement(context: bytes, *, keys: bytes, sharers: Sequence[int], survivors: Sequence[int]) -> bytes:
    """What a member signs when it agrees to unmask.

    Args:
        keys: all advertisements that it was shown, as bytes.
        sharers: whose shares it was handed, itself included.
        survivors: whose vectors are in the sum.
    """
    said = (hashlib.sha256(part).digest() for part in (keys, join_numbers(sharers), join_numbers(survivors)))
    return b"tacit/secagg/survivors\0" + context + b"".join(said)


def is_signed(identity: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether the holder of an Ed25519 public key signed a statement."""
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def _advertisement(number: int, body: bytes) -> Advertisement:
    parts = [body[start : start + KEY_BYTES] for start in range(0, 3 * KEY_BYTES, KEY_BYTES)]
    return Advertisement(
        number=number,
        sealing_key=parts[0],
        masking_key=parts[1],
        commitment=parts[2],
        signature=body[3 * KEY_BYTES :],
    )


def _entries(data: bytes, body: int, *, most: int) -> list[tuple[int, bytes]]:
    each = _NUMBER.size + body
    if len(data) % each or len(data) > most * each:  # before anything is taken apart
        raise LayoutError("a message has another length")
    entries: list[tuple[int, bytes]] = []
    for start in range(0, len(data), each):
        (number,) = _NUMBER.unpack_from(data, start)
        if entries and number <= entries[-1][0]:
            raise LayoutError("a message's entries are not in ascending order")
        entries.append((number, data[start + _NUMBER.size : start + each]))
    return entries
