"""SQLCipher with the settings that a vault's promises rest on, behind a wrapper that has types.

Every page is AES-256-CBC with its own HMAC-SHA-512, in the database and in its write-ahead log; the index of the log
(`-shm`) holds page numbers and checksums only. Temporary tables and sorts stay in memory: nothing is written in plain.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Protocol

from sqlcipher3 import dbapi2

from client.vault.errors import (
    VaultBusyError,
    VaultError,
    VaultGoneError,
    VaultLockedError,
    VaultStorageError,
)

DATABASE_FILE = "vault.db"
_BUSY_SECONDS = 10.0
# SQLite's result codes.
_ERROR, _BUSY, _LOCKED, _READ_ONLY, _IO_ERROR, _FULL, _CANNOT_OPEN, _CONSTRAINT, _MISUSE = (
    1,
    5,
    6,
    8,
    10,
    13,
    14,
    19,
    21,
)

Value = str | int | float | bytes | None
Row = tuple[Value, ...]


class Cursor(Protocol):
    """What is used of a DB-API cursor."""

    def fetchall(self) -> list[Row]:
        """The rows."""
        ...


class Connection(Protocol):
    """What is used of a DB-API connection, SQLCipher's or (to compare with) Python's own."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        ...

    def execute(self, sql: str, parameters: Sequence[Value] = (), /) -> Cursor:
        """Runs one statement."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Value]], /) -> Cursor:
        """Runs one statement for many rows."""
        ...

    def close(self) -> None:
        """Closes it."""
        ...


class Database:
    """One connection, shared by the threads of a process: one statement or one transaction at a time.

    Other connections, of this process or others, read beside it while it writes.
    """

    def __init__(self, connection: Connection, path: Path | None = None) -> None:
        """Args:
        connection: in autocommit mode, usable from every thread, texts decoded with "surrogatepass".
        path: of its file. One that was destroyed or replaced by another process is not written to any more: what a
            removed file is given is lost, and what was to be forgotten must not be worked with.
        """
        self._connection = connection
        self._path = path
        self._file = None if path is None else _identity(path)
        self._turn = RLock()

    def __repr__(self) -> str:
        return "Database()"

    def execute(self, sql: str, *values: Value) -> list[Row]:
        """All rows that a statement gives.

        Raises:
            VaultError: see `client.vault.errors`.
        """
        with self._turn, _explained():
            return self._connection.execute(sql, values).fetchall()

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Runs a statement that gives nothing for every row. Raises: VaultError."""
        with self._turn, _explained():
            self._connection.executemany(sql, rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block or nothing. Inside another block it is a part of that one.

        Committed, it outlives a crash and a loss of power.

        Raises:
            VaultGoneError: the file was destroyed, or another is in its place.
            VaultError: and whatever the block raises, after which nothing was changed.
        """
        with self._turn:
            if self._is_in_transaction():
                yield
                return
            if self._path is not None and _identity(self._path) != self._file:
                raise VaultGoneError
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._is_in_transaction():  # a full disk has rolled back by itself
                    self.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read in the block is of one moment."""
        with self._turn:
            if self._is_in_transaction():
                yield
                return
            self.execute("BEGIN")
            try:
                yield
            finally:
                if self._is_in_transaction():
                    self.execute("ROLLBACK")

    def _is_in_transaction(self) -> bool:
        return self._connection.in_transaction

    def copy_to(self, target: Database) -> None:
        """SQLite's online backup: `target` becomes what this is at one moment, under the key that it has.

        Raises:
            VaultError: see `client.vault.errors`.
        """
        source, into = self._connection, target._connection
        if not isinstance(source, dbapi2.Connection) or not isinstance(into, dbapi2.Connection):
            raise VaultError("only an encrypted database is copied, into an encrypted one")
        with self._turn:
            try:
                source.backup(into)
            except dbapi2.Error:  # without a code, whatever it was
                raise VaultStorageError from None

    def shrink(self) -> bool:
        """Gives free pages back, and empties the write-ahead log of what earlier versions of pages it holds.

        Returns:
            whether the log could be emptied: not while another connection reads.
        """
        with self._turn:
            # Every row of the answer is a page given back.
            self.execute("PRAGMA incremental_vacuum")
            try:
                ((blocked, *_),) = self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except VaultBusyError:
                return False
            return not blocked

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the database; nothing where it is whole. Reads all of it: seconds a gigabyte.

        Both the cipher's check (every page's HMAC) and SQLite's own, and that every reference points at something.
        """
        found: list[str] = []
        for check in ("PRAGMA cipher_integrity_check", "PRAGMA integrity_check", "PRAGMA foreign_key_check"):
            try:
                rows = self.execute(check)
            except VaultLockedError:
                found.append("a page is damaged")
                continue
            if rows not in ([], [("ok",)]):
                found.append(f"{check.removeprefix('PRAGMA ')} found {len(rows)} problems")
        return tuple(found)

    def close(self) -> None:
        """Closes the connection. Twice is no error."""
        with self._turn, _explained():
            self._connection.close()


def open_database(path: Path, data_key: bytes, *, make: bool = False, alone: bool = False) -> Database:
    """An encrypted database, opened and read once, so that a wrong key is known.

    Args:
        data_key: 32 bytes, used as they are.
        make: whether it may be a new one; otherwise there must be a file.
        alone: keeps every other connection out until it is closed.

    Raises:
        VaultLockedError: there is no database, it is damaged, or the key is another.
        VaultBusyError: another connection is open and `alone` is asked for, or has it alone.
        VaultStorageError: the file cannot be opened or made.
    """
    if make:
        _make_private(path)
    elif not path.is_file():
        raise VaultLockedError
    with _explained():
        connection = dbapi2.connect(
            str(path), isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False, cached_statements=256
        )
    try:
        connection.text_factory = decode_text
        database = Database(connection, path)
        _configure(database, data_key, make=make, alone=alone)
    except BaseException:
        connection.close()
        raise
    return database


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def text_bytes(text: str) -> bytes:
    """For `CAST(? AS TEXT)`: exports hold halves of emojis, which are no UTF-8, and what was said is kept as it was."""
    return text.encode("utf-8", "surrogatepass")


def decode_text(content: bytes) -> str:
    """The inverse of `text_bytes`: a connection's `text_factory`."""
    return content.decode("utf-8", "surrogatepass")


def as_text(value: Value) -> str:
    """A column that is a text. Raises: VaultLockedError: it is none, so the file is damaged."""
    if not isinstance(value, str):
        raise VaultLockedError
    return value


def as_number(value: Value) -> int:
    """A column that is a whole number. Raises: VaultLockedError: it is none."""
    if not isinstance(value, int):
        raise VaultLockedError
    return value


def _configure(database: Database, data_key: bytes, *, make: bool, alone: bool) -> None:
    database.execute("PRAGMA cipher_log_level = NONE")  # it would print to standard error
    if not database.execute("PRAGMA cipher_version"):
        raise VaultError("this SQLite has no cipher: install the sqlcipher3 that Tacit names")
    # Wiping every buffer makes bulk writes several times slower, and no promise is made about this process's memory.
    database.execute("PRAGMA cipher_memory_security = OFF")
    database.execute(f"PRAGMA key = \"x'{data_key.hex()}'\"")
    database.execute(f"PRAGMA busy_timeout = {0 if alone else int(1000 * _BUSY_SECONDS)}")
    if alone:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
    if make:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # waits for whoever writes
    ((mode,),) = database.execute("PRAGMA journal_mode = WAL")
    for setting in ("foreign_keys = ON", "secure_delete = ON", "temp_store = MEMORY", "synchronous = FULL",
                    "trusted_schema = OFF"):  # fmt: skip
        database.execute(f"PRAGMA {setting}")
    database.execute("SELECT count(*) FROM sqlite_schema")
    expected: dict[str, Value] = {
        "foreign_keys": 1, "secure_delete": 1, "temp_store": 2, "synchronous": 2, "auto_vacuum": 2,
        "cipher_status": "1",
    }  # fmt: skip
    if mode != "wal" or any(database.execute(f"PRAGMA {name}") != [(value,)] for name, value in expected.items()):
        raise VaultError("the vault's database does not take its settings")


def _make_private(path: Path) -> None:
    """With mode 0600 before a byte is in it; the log and its index take the same mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        raise VaultStorageError from None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except dbapi2.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        raise _error_of(code & 0xFF if isinstance(code, int) else None) from None
    except UnicodeError:
        # Its message quotes what could not be encoded.
        raise VaultError("a text cannot be kept: it is no Unicode") from None


def _error_of(code: int | None) -> VaultError:
    if code in (_BUSY, _LOCKED):
        return VaultBusyError()
    if code in (_READ_ONLY, _IO_ERROR, _FULL, _CANNOT_OPEN):
        return VaultStorageError()
    if code == _CONSTRAINT:
        return VaultError("the vault refuses what breaks a rule of its schema")
    if code in (None, _ERROR, _MISUSE):
        return VaultError("the vault is closed, or was asked what it does not know")
    return VaultLockedError()
