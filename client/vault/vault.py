"""The vault: everything private that the assistant keeps of one person, in one encrypted file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from client.vault import backup, forgetting, rotation
from client.vault.attempts import Attempts
from client.vault.beginnings import ExcludedBeginnings
from client.vault.choices import Choices
from client.vault.consents import Consents
from client.vault.conversations import Conversations
from client.vault.database import Database
from client.vault.device_keys import DeviceKeys
from client.vault.errors import VaultLockedError
from client.vault.forgetting import Excluded, Forgotten
from client.vault.header import HEADER_FILE, Header
from client.vault.import_store import VaultStore
from client.vault.keys import Unlocker
from client.vault.learned import Learned
from client.vault.pairs import Pairs
from client.vault.personas import Personas
from client.vault.schema import migrate
from client.vault.taking_part import TakingPart
from client.vault.votes import Votes


class Vault:
    """One person's vault, open. It may be used by all threads of a process, and by other processes beside it.

    What a method has changed outlives a crash once it returns; what was not finished leaves no trace. No method logs,
    no error and no `repr` holds content.

    Attributes:
        conversations, choices, pairs, personas, consents, votes, attempts: what it holds, by concern.
        beginnings: how private and forgotten conversations begin.
        taking_part: whether this device answers servers.
        device_keys: what the files beside it are sealed with.
        learned: what was trained here, and when it is thrown away.
        imports: the store that importers write to.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        """Use `Vault.create` and `Vault.open`.

        Args:
            database: of the newest schema.
            directory: of its files.
        """
        self._directory = directory
        self._attach(database)

    def _attach(self, database: Database) -> None:
        self._database = database
        self.conversations = Conversations(database)
        self.choices = Choices(database)
        self.pairs = Pairs(database)
        self.personas = Personas(database)
        self.consents = Consents(database)
        self.votes = Votes(database)
        self.attempts = Attempts(database)
        self.beginnings = ExcludedBeginnings(database)
        self.taking_part = TakingPart(database)
        self.device_keys = DeviceKeys(database)
        self.learned = Learned(database)
        self.imports = VaultStore(database)

    def __repr__(self) -> str:
        return f"Vault({len(self.conversations)} conversations, {len(self.pairs)} pairs)"

    @classmethod
    def create(cls, directory: Path, unlocker: Unlocker) -> Vault:
        """A new, empty vault.

        Args:
            directory: the vault's own, made with mode 0700 if it is missing.

        Raises:
            VaultExistsError: there is one already.
            UnlockerError, VaultStorageError: it cannot be made.
        """
        return cls(rotation.make_files(directory, unlocker), directory)

    @classmethod
    def open(cls, directory: Path, unlocker: Unlocker) -> Vault:
        """The vault in a directory, brought to the newest schema.

        Raises:
            VaultLockedError: whatever is wrong with key or files.
            VaultVersionError: a newer version of this program wrote it.
            VaultBusyError, VaultStorageError, UnlockerError: see `client.vault.errors`.
        """
        database, _, _ = rotation.open_files(directory, unlocker)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database, directory)

    @staticmethod
    def kind(directory: Path) -> str | None:
        """What opens the vault here: "passphrase", "keyring" or "key-file"; None where there is no vault.

        Raises:
            VaultLockedError: the header is damaged.
        """
        header = Header.read(directory / HEADER_FILE)
        return None if header is None else header.unlocker

    def close(self) -> None:
        """Closes it. Twice is no error."""
        self._database.close()

    def __enter__(self) -> Vault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def together(self) -> AbstractContextManager[None]:
        """All that is changed in the block, or nothing; and all of it is of one moment."""
        return self._database.transaction()

    def mark_private(self, conversation_id: str) -> Excluded:
        """Excludes a conversation from personas and pairs for good (`client.vault.forgetting.mark_private`)."""
        self.beginnings.add(conversation_id, "private")
        return forgetting.mark_private(self._database, conversation_id)

    def forget(self, conversation_id: str) -> Forgotten:
        """Removes a conversation and all that came from it (`client.vault.forgetting.forget`)."""
        # Before: killed in between, what is still here goes on as it did, and nothing comes back unrecognised.
        self.beginnings.add(conversation_id, "forgotten")
        return forgetting.forget(self._database, conversation_id)

    def holds_nothing(self) -> bool:
        """Whether nothing was ever said here, nor decided that must outlast what was said."""
        return not any(
            self._database.execute(f"SELECT 1 FROM {table} LIMIT 1")  # noqa: S608
            for table in ("conversations", "pairs", "statements", "forgotten", "excluded_beginnings", "backups")
        )

    def back_up(self, path: Path, passphrase: str) -> None:
        """Writes an encrypted backup (`client.vault.backup.back_up`)."""
        backup.back_up(self._database, path, passphrase)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files; nothing where they are whole. Reads everything."""
        return self._database.problems()

    def change_unlocker(self, old: Unlocker, new: Unlocker) -> None:
        """Another passphrase, or another way to open it (`client.vault.rotation.change_unlocker`)."""
        rotation.change_unlocker(self._directory, old, new)

    def rotate_data_key(self, unlocker: Unlocker) -> None:
        """Encrypts everything under a new data key (`client.vault.rotation.rotate_data_key`).

        No other thread may be using the vault meanwhile. Should it fail, the vault is open as before.
        """
        header = Header.read(self._directory / HEADER_FILE)
        if header is None:
            raise VaultLockedError
        header.unwrap(unlocker)  # a wrong key must not close the vault
        self._database.close()
        try:
            rotation.rotate_data_key(self._directory, unlocker)
        finally:
            database, _, _ = rotation.open_files(self._directory, unlocker)
            self._attach(database)

    def destroy(self, unlocker: Unlocker | None = None) -> None:
        """Destroys the key and the files (`client.vault.rotation.destroy_files`). There is no way back."""
        self.close()
        rotation.destroy_files(self._directory, unlocker)
