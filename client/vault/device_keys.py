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
        """32 secret bytes for a purpose, made when they are first asked for. One that is there waits for nobody."""
        found = self._find(purpose)
        if found is not None:
            return found
        with self._database.transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO device_keys VALUES (?, ?)", purpose, secrets.token_bytes(KEY_BYTES)
            )
            found = self._find(purpose)
        if found is None:
            raise VaultLockedError
        return found

    def _find(self, purpose: str) -> bytes | None:
        rows = self._database.execute("SELECT key FROM device_keys WHERE purpose = ?", purpose)
        if rows and not isinstance(rows[0][0], bytes):
            raise VaultLockedError
        return rows[0][0] if rows and isinstance(rows[0][0], bytes) else None
