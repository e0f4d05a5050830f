"""The key by which a server knows this device's connection: P-384 in OpenSSH's format, as Flower wants it."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from client.device import DeviceError, create_once
from client.vault_device import VaultDevice
from shared.device_card import DeviceCard

_FILE = "node.key"


def node_key_file(state_directory: Path) -> Path:
    """The key's file, made with mode 0600 on first use.

    Raises:
        DeviceError: it cannot be made, or others can read it.
    """
    path = state_directory / _FILE
    try:
        if not path.exists():
            state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = ec.generate_private_key(ec.SECP384R1())
            create_once(
                path,
                made.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
                ),
            )
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise DeviceError("the device's node key can be read by others: set its mode to 0600")
    except OSError as error:
        raise DeviceError(f"cannot keep the device's node key ({type(error).__name__})") from None
    return path


def device_card(device: VaultDevice, state_directory: Path) -> DeviceCard:
    """What this device shows to be enrolled; its keys are made on first use. Raises: DeviceError."""
    path = node_key_file(state_directory)
    try:
        key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, UnsupportedAlgorithm):
        raise DeviceError("the device's node key is damaged") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise DeviceError("the device's node key is of another kind")
    return DeviceCard.of(identity=device.identity().public, node_key=key.public_key())
