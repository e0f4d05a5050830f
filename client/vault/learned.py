"""What was trained on this device: sealed under keys that are destroyed in the very transaction that forgets."""

from __future__ import annotations

from client.vault.database import Database, as_number

_PREFIX = "learned"


class Learned:
    """What was trained here, of one vault. It is known by a count: files of another count are noise.

    Whoever trains takes the count with its pairs, before, and keeps what it trained under that count's key. If
    something was forgotten meanwhile, that key is gone, and so is what is kept under it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return "Learned()"

    def count(self) -> int:
        """How often what was trained here was thrown away."""
        return as_number(self._database.execute("SELECT count FROM learned")[0][0])

    def purpose(self, what: str, count: int) -> str:
        """The purpose of the key (`DeviceKeys`) that `what` is sealed with under a count."""
        return f"{_PREFIX}/{what}/{count}"

    def sweep(self) -> None:
        """Destroys keys of other counts, which somebody may have made who was just too late."""
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM device_keys WHERE purpose LIKE ? AND purpose NOT LIKE ?",
                f"{_PREFIX}/%",
                f"{_PREFIX}/%/{self.count()}",
            )

    def throw_away(self) -> None:
        """All that was trained here is noise from now on. The files are its owner's to remove."""
        with self._database.transaction():
            throw_away(self._database)
        self._database.shrink()


def throw_away(database: Database) -> None:
    """As `Learned.throw_away`, within a transaction that is going on."""
    database.execute("UPDATE learned SET count = count + 1")
    database.execute("DELETE FROM device_keys WHERE purpose LIKE ?", f"{_PREFIX}/%")


def throw_away_if(database: Database, condition: str, *values: int | str) -> bool:
    """Throws away if a pair of this condition was trained on; whether it did. Within a transaction."""
    found = database.execute(f"SELECT 1 FROM pairs WHERE trained = 1 AND ({condition}) LIMIT 1", *values)  # noqa: S608
    if found:
        throw_away(database)
    return bool(found)
