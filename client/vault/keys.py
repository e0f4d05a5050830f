"""What a vault's data key is wrapped with: a passphrase, the operating system's keyring, or a key file.

The data key is 32 random bytes that no person types and that changes only when it is rotated; the wrapping key changes
with the passphrase. Python cannot wipe a key from memory: what can read this process's memory can read the vault.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from client.vault.errors import UnlockerError, VaultLockedError
from client.vault.scrypt import KEY_BYTES, ScryptParameters
from shared.private_files import write_private

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_SERVICE = "tacit-vault"
# Others (plain files, none at all) keep the secret where anyone reads it, or not.
_TRUSTED_BACKENDS = (
    "keyring.backends.macOS", "keyring.backends.Windows", "keyring.backends.SecretService",
    "keyring.backends.kwallet", "keyring.backends.libsecret",
)  # fmt: skip


def new_data_key() -> bytes:
    """32 bytes from the operating system."""
    return secrets.token_bytes(KEY_BYTES)


class Unlocker(Protocol):
    """Gives the key that wraps a vault's data key."""

    @property
    def kind(self) -> str:
        """Stands in the header, so that a vault is asked for what opens it."""
        ...

    def begin(self) -> tuple[Mapping[str, object], bytes]:
        """Public parameters for the header, and a wrapping key for them. Raises: UnlockerError."""
        ...

    def key(self, parameters: Mapping[str, object]) -> bytes:
        """The wrapping key of parameters that `begin` gave.

        Raises:
            VaultLockedError: the parameters are not such, or there is no key for them.
            UnlockerError: the key cannot be asked for.
        """
        ...

    def discard(self, parameters: Mapping[str, object]) -> None:
        """Destroys what was kept for these parameters, when no header needs them any more."""
        ...


class Passphrase:
    """A person remembers the key. It is stretched with scrypt at 128 MiB, about half a second."""

    kind = "passphrase"

    def __init__(self, passphrase: str) -> None:
        """Raises: UnlockerError: it is empty."""
        if not passphrase:
            raise UnlockerError("an empty passphrase protects nothing")
        self._passphrase = passphrase

    def __repr__(self) -> str:
        return "Passphrase()"

    def begin(self) -> tuple[Mapping[str, object], bytes]:
        """See `Unlocker`."""
        parameters = ScryptParameters.fresh()
        return parameters.values(), parameters.derive(self._passphrase)

    def key(self, parameters: Mapping[str, object]) -> bytes:
        """See `Unlocker`."""
        try:
            return ScryptParameters.parse(parameters).derive(self._passphrase)
        except (ValueError, MemoryError):
            raise VaultLockedError from None

    def discard(self, parameters: Mapping[str, object]) -> None:
        """Nothing is kept."""


class OsKeyring:
    """The operating system keeps the key and gives it to whoever is logged in."""

    kind = "keyring"

    def __init__(self, backend: KeyringBackend | None = None) -> None:
        """Args:
        backend: by default the operating system's.

        Raises:
            UnlockerError: there is none that keeps secrets.
        """
        self._backend = backend or _system_keyring()

    def __repr__(self) -> str:
        return "OsKeyring()"

    def begin(self) -> tuple[Mapping[str, object], bytes]:
        """See `Unlocker`. Every time another account: the old key stays until the new header is on disk."""
        account, key = secrets.token_hex(16), secrets.token_bytes(KEY_BYTES)
        try:
            self._backend.set_password(_SERVICE, account, key.hex())
            kept = self._backend.get_password(_SERVICE, account)
        except Exception as error:  # noqa: BLE001, RUF100 - backends raise what their libraries raise
            raise UnlockerError(_refused(error)) from None
        if kept != key.hex():
            raise UnlockerError("the keyring did not keep the key: use a passphrase or a key file")
        return {"account": account}, key

    def key(self, parameters: Mapping[str, object]) -> bytes:
        """See `Unlocker`."""
        account = parameters.get("account")
        if set(parameters) != {"account"} or not isinstance(account, str):
            raise VaultLockedError
        try:
            kept = self._backend.get_password(_SERVICE, account)
        except Exception as error:  # noqa: BLE001, RUF100
            raise UnlockerError(_refused(error)) from None
        try:
            key = bytes.fromhex(kept or "")
        except ValueError:
            raise VaultLockedError from None
        if len(key) != KEY_BYTES:
            raise VaultLockedError
        return key

    def discard(self, parameters: Mapping[str, object]) -> None:
        """See `Unlocker`."""
        account = parameters.get("account")
        if isinstance(account, str):
            try:
                self._backend.delete_password(_SERVICE, account)
            except Exception as error:  # noqa: BLE001, RUF100
                raise UnlockerError(_refused(error)) from None


class KeyFile:
    """A file of 32 bytes that only its owner may read: for devices where nobody types. Keep it on another disk."""

    kind = "key-file"

    def __init__(self, path: Path) -> None:
        """Args:
        path: of the file; made with mode 0600 when a vault is first wrapped with it.
        """
        self._path = path

    def __repr__(self) -> str:
        return "KeyFile()"

    def begin(self) -> tuple[Mapping[str, object], bytes]:
        """See `Unlocker`. A key file that is there is used."""
        try:
            if not self._path.exists() and not self._path.is_symlink():
                write_private(self._path, [secrets.token_bytes(KEY_BYTES)])
        except OSError as error:
            raise UnlockerError(f"the key file cannot be made ({type(error).__name__})") from None
        return {}, self._read()

    def key(self, parameters: Mapping[str, object]) -> bytes:
        """See `Unlocker`."""
        if parameters:
            raise VaultLockedError
        return self._read()

    def discard(self, parameters: Mapping[str, object]) -> None:  # noqa: ARG002
        """Overwrites the file and removes it; a file system may keep older blocks all the same."""
        erase(self._path)

    def _read(self) -> bytes:
        problem = ""
        key = b""
        try:
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            # Checked on the open file, which nobody can exchange.
            with os.fdopen(os.open(self._path, flags), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    problem = "is not a file"
                elif os.name == "posix" and found.st_uid != os.geteuid():
                    problem = "belongs to another user"
                elif os.name == "posix" and found.st_mode & 0o177:
                    problem = "can be read by others: set its mode to 0600"
                else:
                    key = file.read(KEY_BYTES + 1)
        except OSError as error:
            problem = f"cannot be read ({type(error).__name__})"
        if problem:
            raise UnlockerError(f"the key file {problem}")
        if len(key) != KEY_BYTES:
            raise VaultLockedError
        return key


def erase(path: Path) -> None:
    """Overwrites a small file with zeros, syncs and removes it; a file that is not there is no error.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)


def _system_keyring() -> KeyringBackend:
    import keyring
    from keyring.backends.chainer import ChainerBackend

    found = keyring.get_keyring()
    every = list(found.backends) if isinstance(found, ChainerBackend) else [found]
    for backend in every:
        if type(backend).__module__ in _TRUSTED_BACKENDS:
            return backend
    raise UnlockerError("this system has no keyring that keeps secrets: use a passphrase or a key file")


def _refused(error: Exception) -> str:
    return f"the keyring does not answer ({type(error).__name__}): unlock it, or use a passphrase or a key file"
