"""Secret keys for what lies beside the vault: it is closed when the vault is, and noise once the vault is destroyed."""

from __future__ import annotations

import secrets

from client.vault.database import Database
from client.vault.errors import VaultLockedError
from client.vault.scrypt import KEY_BYTES


class DeviceKeys:
    """The keys of one vault."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "DeviceKeys()"

    def key(self, purpose: str) -> bytes:
        """32 secret bytes for a purpose, made when they are first asked for."""
        with self._database.transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO device_keys VALUES (?, ?)", purpose, secrets.token_bytes(KEY_BYTES)
            )
            ((key,),) = self._database.execute("SELECT key FROM device_keys WHERE purpose = ?", purpose)
        if not isinstance(key, bytes):
            raise VaultLockedError
        return key

    def replace(self, purpose: str) -> None:
        """Forgets a purpose's key: what was sealed with it is noise, on this disk and in every copy."""
        self._database.execute("DELETE FROM device_keys WHERE purpose = ?", purpose)
        self._database.shrink()
