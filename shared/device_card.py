"""A device's public card: what it shows of itself so that a server can enrol it. Nothing in it is secret.

    {"format": 1, "identity": "<Ed25519, 64 hex digits>", "node_key": "ecdsa-sha2-nistp384 AAAA..."}

The identity is what the organiser signs into the roster and other devices trust; the node key is what Flower's
SuperNode proves on every connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_FORMAT = 1
_KEYS = {"format", "identity", "node_key"}
_LARGEST = 4096
_HEX = set("0123456789abcdef")


class CardError(ValueError):
    """Not a device's card. The message says what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class DeviceCard:
    """Attributes:
    identity: Ed25519 public key, 64 hex digits.
    node_key: P-384 public key in OpenSSH's format, without a comment.
    """

    identity: str
    node_key: str

    def __post_init__(self) -> None:
        if len(self.identity) != 64 or not set(self.identity) <= _HEX:
            raise CardError("identity: must be 64 hex digits")
        if _plain(self.node_key) != self.node_key:
            raise CardError("node_key: must be a P-384 public key in OpenSSH's format, without a comment")

    @classmethod
    def of(cls, *, identity: str, node_key: ec.EllipticCurvePublicKey) -> DeviceCard:
        """A card of keys. Raises: CardError."""
        return cls(identity=identity, node_key=_openssh(node_key))

    def to_json(self) -> str:
        """The card as a file, one line."""
        return json.dumps({"format": _FORMAT, "identity": self.identity, "node_key": self.node_key}) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> DeviceCard:
        """Raises: CardError: too large, not JSON, an unknown or a missing key, or a key of another kind."""
        if len(text) > _LARGEST:
            raise CardError("is larger than a device's card can be")
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise CardError("is not JSON") from None
        if not isinstance(said, dict):
            raise CardError("must be an object")
        if unknown := sorted(set(said) - _KEYS):
            raise CardError(f"unknown keys: {', '.join(map(repr, unknown))}")
        if missing := sorted(_KEYS - set(said)):
            raise CardError(f"missing keys: {', '.join(missing)}")
        if said["format"] != _FORMAT or isinstance(said["format"], bool):
            raise CardError(f"format: must be {_FORMAT}; another version of Tacit made this card")
        if not isinstance(said["identity"], str) or not isinstance(said["node_key"], str):
            raise CardError("identity and node_key must be texts")
        return cls(identity=said["identity"], node_key=said["node_key"])

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The node's key."""
        return _parsed(self.node_key)


def _plain(text: str) -> str:
    return _openssh(_parsed(text))


def _parsed(text: str) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_ssh_public_key(text.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm):
        raise CardError("node_key: must be a P-384 public key in OpenSSH's format") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise CardError("node_key: must be a P-384 public key; Flower takes no other kind")
    return key


def _openssh(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode("ascii")
