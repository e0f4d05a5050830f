"""One file that holds the whole vault, under a passphrase of its own, and the way back from it.

**What is not in it.** The privacy ledger, the participation cap that is counted from it, and the rounds that were
answered are other files, beside the device's state. They say what has already left this device: a device set back to an
older ledger would answer again what it has answered, with other noise, and spend a budget that is spent. So no backup
holds them and no restore touches them.

**What a restore sets back.** Conversations that were forgotten since come back, as does what was not private then. So a
restored vault has no consents and does not take part: nothing is learned from it before its user says so again.
Forgetting names the backups that still hold a conversation (`client.vault.forgetting.Forgotten`).

The copy is made by SQLite's online backup, from one moment, while others read and write, into a database under a random
key; that key and the encrypted database are then encrypted again under the passphrase. Nothing is on disk in plain.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from client.vault.conversations import now
from client.vault.database import DATABASE_FILE, Database, as_number, open_database
from client.vault.errors import BackupError, UnlockerError, VaultError, VaultExistsError, VaultStorageError
from client.vault.header import HEADER_FILE, Header
from client.vault.keys import Passphrase, Unlocker, new_data_key
from client.vault.leftovers import remove_leftovers
from client.vault.rotation import destroy_files
from client.vault.schema import version
from client.vault.scrypt import KEY_BYTES
from client.vault.sealed_stream import seal, unseal
from client.vault.taking_part import TakingPart
from shared.private_files import sync, write_private

_PART_BYTES = 2**20
_VERSION_WITH_PARTICIPATION = 4


def back_up(database: Database, path: Path, passphrase: str) -> None:
    """Writes a backup, whole or not at all, with mode 0600, and notes in the vault that there is one.

    It takes the database's size again beside the backup while it is made.

    Raises:
        UnlockerError: the passphrase is empty.
        VaultExistsError: there is something at `path`.
        VaultStorageError: it cannot be written.
    """
    if not passphrase:
        raise UnlockerError("an empty passphrase protects nothing")
    if path.exists() or path.is_symlink():
        raise VaultExistsError("there is a file already where the backup was to be made")
    # Noted first: killed in between, a backup is named that is not there, and none is there that is not named.
    ((number,),) = database.execute(
        "INSERT INTO backups (name, made_at, newest) SELECT ?, ?,"
        " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'conversations'), 0) RETURNING number",
        str(path.absolute()), now(),
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as name:  # mode 0700
            copy, key = Path(name) / DATABASE_FILE, new_data_key()
            target = open_database(copy, key, make=True)
            try:
                database.copy_to(target)
                target.shrink()
            finally:
                target.close()
            with copy.open("rb") as file:
                write_private(path, seal(_content(key, file), passphrase))
    except BaseException as error:
        with suppress(VaultError):
            database.execute("DELETE FROM backups WHERE number = ?", as_number(number))
        if isinstance(error, OSError):
            raise VaultStorageError from None
        raise


def restore(
    path: Path, into: Path, passphrase: str, *, unlocker: Unlocker | None = None, replaces: bool = False
) -> None:
    """Makes a vault of a backup: the directory is there and whole afterwards, or as it was before.

    Its data key is new, so that who has the backup cannot read what the vault is given later. It has no consents.

    Args:
        into: the vault's directory; not there yet, or empty. What a killed restore left there is removed.
        unlocker: what opens the vault; by default the backup's passphrase.
        replaces: whether a vault in `into`, which its caller knows to hold nothing, is destroyed once this is whole.

    Raises:
        BackupError: wrong passphrase, or a backup that was cut or altered anywhere.
        VaultExistsError: there is something in `into`.
        VaultVersionError: the backup was written by a newer version of this program. Found when it is opened.
        VaultStorageError: a file cannot be read or written.
        UnlockerError: see `client.vault.keys`.
    """
    unlocker = unlocker or Passphrase(passphrase)
    try:
        remove_leftovers(into)
        if into.exists() and not replaces and (not into.is_dir() or any(into.iterdir())):
            raise VaultExistsError("a vault is restored into a directory that is empty or not there yet")
        into.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}.") as name:
            made = Path(name) / "vault"
            made.mkdir(mode=0o700)
            _rebuild(made / DATABASE_FILE, _unpack(path, made / DATABASE_FILE, passphrase), unlocker)
            if replaces:
                _make_room(into, Path(name) / "old")
            made.replace(into)
            sync(into.parent)
    except OSError:
        raise VaultStorageError from None


def _make_room(directory: Path, aside: Path) -> None:
    if directory.exists():
        directory.replace(aside)
        destroy_files(aside)


def _content(key: bytes, database: BinaryIO) -> Iterator[bytes]:
    yield key
    while part := database.read(_PART_BYTES):
        yield part


def _unpack(path: Path, database: Path, passphrase: str) -> bytes:
    """Writes the encrypted database; the key that it is under."""
    key = b""
    with (
        path.open("rb") as sealed,
        os.fdopen(os.open(database, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
    ):
        for part in unseal(sealed, passphrase):
            missing = KEY_BYTES - len(key)
            key += part[:missing]
            file.write(part[missing:])
    if len(key) != KEY_BYTES:
        raise BackupError
    return key


def _rebuild(database_file: Path, key: bytes, unlocker: Unlocker) -> None:
    following = new_data_key()
    try:
        database = open_database(database_file, key, alone=True)
        try:
            if database.problems() or version(database) < 1:
                raise BackupError
            # The temporary copy's own pages must not be readable with the backup's key either.
            database.execute("DELETE FROM consents")
            if version(database) >= _VERSION_WITH_PARTICIPATION:
                TakingPart(database).pause()
            database.execute(f"PRAGMA rekey = \"x'{following.hex()}'\"")
        finally:
            database.close()
        open_database(database_file, following).close()
    except VaultStorageError:
        raise
    except VaultError:
        raise BackupError from None
    Header.wrap(following, unlocker).write(database_file.with_name(HEADER_FILE))
    for suffix in ("-wal", "-shm"):
        database_file.with_name(f"{DATABASE_FILE}{suffix}").unlink(missing_ok=True)
    for place in (database_file, database_file.parent):
        sync(place)
