"""Who asks: an Ed25519 key of the server's that signs every request, and that a device's policy can name.

Flower authenticates a connection; the app that answers does not learn to whom. A signed request says it itself.
"""

from __future__ import annotations

from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.messages import TrainRequest
from shared.signing_key import SigningKey

_DOMAIN = b"tacit/train-request/1\0"


class ServerKey(SigningKey):
    """A server's private key; its public half is what a policy names."""

    def sign(self, request: TrainRequest) -> TrainRequest:
        """The request with this key's name and signature."""
        named = replace(request, server=self.public, signature="")
        return replace(named, signature=self.key.sign(_DOMAIN + bytes.fromhex(named.digest())).hex())


def is_signed(request: TrainRequest) -> bool:
    """Whether the key that a request names has signed all of it."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(request.server))
        key.verify(bytes.fromhex(request.signature), _DOMAIN + bytes.fromhex(request.digest()))
    except (InvalidSignature, ValueError):
        return False
    return True
