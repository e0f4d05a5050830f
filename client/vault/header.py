"""`vault.json`: the wrapped data key, and what is needed to ask for the key that unwraps it.

    {"format": 1, "vault": "<16 bytes>", "unlocker": "passphrase", "parameters": {"salt": ..., "n": 131072, ...},
     "nonce": "<12 bytes>", "wrapped": "<the data key under AES-256-GCM>"}

Everything but the nonce and the wrapped key is authenticated with it. Whoever removes this file destroys the vault:
without it the database is noise.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from client.vault.errors import VaultLockedError, VaultStorageError
from client.vault.keys import Unlocker
from client.vault.scrypt import KEY_BYTES
from shared.private_files import write_private

HEADER_FILE, NEXT_HEADER_FILE = "vault.json", "vault.next.json"
_FORMAT = 1
_NONCE_BYTES = 12
_MAX_BYTES = 16_384
_KEYS = {"format", "vault", "unlocker", "parameters", "nonce", "wrapped"}


@dataclass(frozen=True, kw_only=True, repr=False)
class Header:
    """Attributes:
    vault: the vault's id, 32 hexadecimal digits.
    unlocker: the kind of `client.vault.keys.Unlocker` that opens it.
    parameters: that unlocker's.
    nonce, wrapped: the data key under the wrapping key.
    """

    vault: str
    unlocker: str
    parameters: Mapping[str, object]
    nonce: bytes
    wrapped: bytes

    def __repr__(self) -> str:
        return f"Header(unlocker={self.unlocker!r})"

    @classmethod
    def wrap(cls, data_key: bytes, unlocker: Unlocker, *, vault: str | None = None) -> Header:
        """A header for a data key, under new parameters. Raises: UnlockerError."""
        parameters, wrapping_key = unlocker.begin()
        new = cls(
            vault=vault or secrets.token_hex(16),
            unlocker=unlocker.kind,
            parameters=dict(parameters),
            nonce=b"",
            wrapped=b"",
        )
        return new._sealed(data_key, wrapping_key)

    def rewrap(self, data_key: bytes, unlocker: Unlocker) -> Header:
        """A header for another data key, under the same parameters. Raises: as `unwrap`."""
        wrapping_key = self._wrapping_key(unlocker)
        self._opened(wrapping_key)  # a wrong key must not wrap anything
        return self._sealed(data_key, wrapping_key)

    def unwrap(self, unlocker: Unlocker) -> bytes:
        """The data key.

        Raises:
            VaultLockedError: wrong key, or an altered header.
            UnlockerError: see `Unlocker.key`.
        """
        return self._opened(self._wrapping_key(unlocker))

    def _wrapping_key(self, unlocker: Unlocker) -> bytes:
        if unlocker.kind != self.unlocker:
            raise VaultLockedError
        return unlocker.key(self.parameters)

    def _opened(self, wrapping_key: bytes) -> bytes:
        try:
            data_key = AESGCM(wrapping_key).decrypt(self.nonce, self.wrapped, self._bound())
        except (InvalidTag, ValueError):
            raise VaultLockedError from None
        if len(data_key) != KEY_BYTES:
            raise VaultLockedError
        return data_key

    def write(self, path: Path) -> None:
        """Whole or not at all, synced, readable by its owner only. Raises: VaultStorageError."""
        values = {**self._public(), "nonce": self.nonce.hex(), "wrapped": self.wrapped.hex()}
        try:
            write_private(path, [json.dumps(values, indent=1).encode("ascii") + b"\n"])
        except OSError:
            raise VaultStorageError from None

    @classmethod
    def read(cls, path: Path) -> Header | None:
        """The header in a file; None where there is no file.

        Raises:
            VaultLockedError: the file is no header of this version.
        """
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError:
            raise VaultLockedError from None
        try:
            values = json.loads(content) if len(content) <= _MAX_BYTES else None
            if not isinstance(values, dict) or set(values) != _KEYS or values["format"] != _FORMAT:
                raise VaultLockedError
            vault, unlocker, parameters = values["vault"], values["unlocker"], values["parameters"]
            if not isinstance(vault, str) or not isinstance(unlocker, str) or not isinstance(parameters, dict):
                raise VaultLockedError
            return cls(
                vault=vault,
                unlocker=unlocker,
                parameters=parameters,
                nonce=bytes.fromhex(values["nonce"]),
                wrapped=bytes.fromhex(values["wrapped"]),
            )
        except (ValueError, TypeError, RecursionError):
            raise VaultLockedError from None

    def _sealed(self, data_key: bytes, wrapping_key: bytes) -> Header:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return replace(self, nonce=nonce, wrapped=AESGCM(wrapping_key).encrypt(nonce, data_key, self._bound()))

    def _public(self) -> dict[str, object]:
        return {"format": _FORMAT, "vault": self.vault, "unlocker": self.unlocker, "parameters": dict(self.parameters)}

    def _bound(self) -> bytes:
        return json.dumps(self._public(), sort_keys=True).encode("ascii")
