"""Opening a vault's files, and changing the keys they are under, so that a kill at any moment locks nobody out.

A new data key is written down before it is used: `vault.next.json` holds it wrapped, then the database is encrypted
anew in one transaction, then the new header takes the old one's place. Whoever opens the vault after a kill finds which
of the two headers the database obeys, and finishes or takes back what was begun.

That is decided only while no rotation is going on: a rotation has the database alone before it writes its header, and
an opener holds the database open while it tidies.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from client.vault.database import DATABASE_FILE, Database, open_database
from client.vault.errors import (
    UnlockerError,
    VaultExistsError,
    VaultLockedError,
    VaultStorageError,
)
from client.vault.header import HEADER_FILE, NEXT_HEADER_FILE, Header
from client.vault.keys import Unlocker, erase, new_data_key
from client.vault.leftovers import remove_leftovers
from client.vault.schema import migrate
from shared.private_files import sync


def make_files(directory: Path, unlocker: Unlocker) -> Database:
    """The files of a new vault, opened.

    Raises:
        VaultExistsError: there is one, or the database of one whose header is lost.
        UnlockerError, VaultStorageError: nothing was made that opens.
    """
    header, following = directory / HEADER_FILE, directory / NEXT_HEADER_FILE
    database = directory / DATABASE_FILE
    if header.exists():
        raise VaultExistsError("there is a vault here already")
    if database.exists() and not following.exists():
        raise VaultExistsError(
            f"there is a vault here whose {HEADER_FILE} is missing: put it back, or destroy the vault"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_database(directory)  # of a making that was killed: it never opened
    except OSError:
        raise VaultStorageError from None
    data_key = new_data_key()
    Header.wrap(data_key, unlocker).write(following)
    made = open_database(database, data_key, make=True)
    try:
        migrate(made)
        _install(directory)
    except BaseException:
        made.close()
        raise
    return made


def open_files(directory: Path, unlocker: Unlocker, *, alone: bool = False) -> tuple[Database, Header, bytes]:
    """(database, the header that it obeys, its data key); an unfinished rotation is finished or taken back.

    Args:
        alone: see `open_database`.

    Raises:
        VaultLockedError: wrong key, or files that are missing or damaged.
        VaultBusyError, VaultStorageError, UnlockerError: see there.
    """
    seen: tuple[bytes | None, ...] = ()
    while True:
        found = tuple(_content(directory / name) for name in (HEADER_FILE, NEXT_HEADER_FILE))
        if found == seen:  # else a header was moved while it was looked for
            raise VaultLockedError
        seen = found
        for name in (HEADER_FILE, NEXT_HEADER_FILE):
            with suppress(VaultLockedError):
                return _open_by(directory, name, unlocker, alone=alone)


def change_unlocker(directory: Path, old: Unlocker, new: Unlocker) -> None:
    """Wraps the data key with another key. At every moment the one or the other opens the vault.

    Copies of the old header still open copies of the database: where the old passphrase may be known, rotate the data
    key as well.

    Raises:
        VaultLockedError: `old` is not what opens the vault.
        UnlockerError, VaultError: nothing was changed.
    """
    database, header, data_key = open_files(directory, old)
    try:
        Header.wrap(data_key, new, vault=header.vault).write(directory / HEADER_FILE)
    finally:
        database.close()
    with suppress(UnlockerError):  # what is left in a keyring that does not answer opens nothing
        if header.unlocker == "keyring":
            old.discard(header.parameters)


def rotate_data_key(directory: Path, unlocker: Unlocker) -> None:
    """Encrypts the whole database under a new data key. Takes as long as writing it twice.

    Raises:
        VaultBusyError: something has the vault open; nothing was changed.
        VaultLockedError, UnlockerError: it does not open; nothing was changed.
        VaultStorageError: no room for a second copy; the old key holds.
    """
    database, header, _ = open_files(directory, unlocker, alone=True)
    following = new_data_key()
    try:
        header.rewrap(following, unlocker).write(directory / NEXT_HEADER_FILE)
        database.execute(f"PRAGMA rekey = \"x'{following.hex()}'\"")
    finally:
        database.close()
    try:
        database = open_database(directory / DATABASE_FILE, following)
    except VaultLockedError:
        raise VaultStorageError from None
    try:
        _install(directory)
        database.shrink()
    finally:
        database.close()


def destroy_files(directory: Path, unlocker: Unlocker | None = None) -> None:
    """Destroys the wrapped key, which makes every copy of the database noise, and then the files.

    Needs no key: who has lost the passphrase can still forget. Backups have passphrases of their own and are not
    touched; nor are copies of `vault.json` elsewhere, which still open copies of the database.

    Args:
        unlocker: whose own key is destroyed as well (a key file, an entry of the keyring).

    Raises:
        OSError: a file cannot be removed.
        UnlockerError: the keyring does not answer; the files are gone all the same.
    """
    header = None
    with suppress(VaultLockedError):
        header = Header.read(directory / HEADER_FILE)
    for name in (HEADER_FILE, NEXT_HEADER_FILE):
        erase(directory / name)
    remove_leftovers(directory)
    if directory.exists():
        sync(directory)
    remove_database(directory)
    if unlocker is not None and header is not None and header.unlocker == unlocker.kind:
        unlocker.discard(header.parameters)


def remove_database(directory: Path) -> None:
    """Removes the database with its log and the log's index. Raises: OSError."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        (directory / f"{DATABASE_FILE}{suffix}").unlink(missing_ok=True)


def _open_by(directory: Path, name: str, unlocker: Unlocker, *, alone: bool) -> tuple[Database, Header, bytes]:
    """Opened by the header of this name, which is then the only one. Raises: VaultLockedError: it is not obeyed."""
    header = Header.read(directory / name)
    if header is None:
        raise VaultLockedError
    data_key = header.unwrap(unlocker)
    database = open_database(directory / DATABASE_FILE, data_key, alone=alone)
    try:
        if name == HEADER_FILE:
            _remove(directory / NEXT_HEADER_FILE)
        else:
            _install(directory)
    except BaseException:
        database.close()
        raise
    return database, header, data_key


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _install(directory: Path) -> None:
    """The next header takes the header's place; somebody else may have put it there already."""
    try:
        with suppress(FileNotFoundError):
            (directory / NEXT_HEADER_FILE).replace(directory / HEADER_FILE)
        sync(directory)
    except OSError:
        raise VaultStorageError from None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        raise VaultStorageError from None
