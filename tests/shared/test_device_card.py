from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from shared.device_card import CardError, DeviceCard

IDENTITY = "ab" * 32


def openssh(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


def card() -> DeviceCard:
    return DeviceCard.of(identity=IDENTITY, node_key=ec.generate_private_key(ec.SECP384R1()).public_key())


def test_a_card_is_read_back() -> None:
    made = card()

    assert DeviceCard.from_json(made.to_json()) == made
    assert openssh(made.public_key()) == made.node_key
    assert set(json.loads(made.to_json())) == {"format", "identity", "node_key"}


P384 = openssh(ec.generate_private_key(ec.SECP384R1()).public_key())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"identity": "AB" * 32}, "identity"),
        ({"identity": "ab" * 31}, "identity"),
        ({"identity": 3}, "must be texts"),
        ({"node_key": "ssh-rsa AAAA"}, "P-384"),
        ({"node_key": openssh(ec.generate_private_key(ec.SECP256R1()).public_key())}, "P-384"),
        ({"node_key": openssh(ed25519.Ed25519PrivateKey.generate().public_key())}, "P-384"),
        ({"node_key": f"{P384} someone@a-machine"}, "without a comment"),
        ({"node_key": f"{P384}\n"}, "without a comment"),
        ({"format": 2}, "format"),
        ({"format": True}, "format"),
        ({"name": "somebody"}, "unknown keys: 'name'"),
        ({"identity": None}, "missing keys: identity"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, object], said: str) -> None:
    values: dict[str, object] = {"format": 1, "identity": IDENTITY, "node_key": P384, **changes}

    with pytest.raises(CardError, match=said):
        DeviceCard.from_json(json.dumps({key: value for key, value in values.items() if value is not None}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{" * 2000, "[" * 4000, "x" * 5000])
def test_what_is_no_card_at_all_is_refused(text: str) -> None:
    with pytest.raises(CardError):
        DeviceCard.from_json(text)
