"""Brings a database to the schema that the code knows, one transaction a step."""

from __future__ import annotations

from collections.abc import Sequence

from client.vault.database import Database, as_number
from client.vault.errors import VaultVersionError
from client.vault.migrations import MIGRATIONS


def migrate(database: Database, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Runs what a database has not seen. Killed at any point, it goes on at the next opening.

    Raises:
        VaultVersionError: the database was written by a newer version; it is left as it is.
        VaultError: see `client.vault.errors`.
    """
    while True:
        done = version(database)
        if done > len(migrations):
            raise VaultVersionError(
                f"the vault was written by a newer version of Tacit (schema {done}; this one knows {len(migrations)}): "
                "update Tacit"
            )
        if done == len(migrations):
            return
        with database.transaction():
            if version(database) != done:  # another process was first
                continue
            for statement in migrations[done]:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {done + 1}")


def version(database: Database) -> int:
    """How many steps a database has seen."""
    return as_number(database.execute("PRAGMA user_version")[0][0])
