"""What can go wrong with a vault. No message holds content, a key, or a reason that would help to guess one."""

from __future__ import annotations


class VaultError(RuntimeError):
    """Something about the vault did not work. Every error of this package is one."""


class VaultLockedError(VaultError):
    """The vault does not open. One text, whatever was wrong: key, header or database, absent, wrong or damaged."""

    def __init__(self) -> None:
        super().__init__("the vault cannot be opened: the key is wrong, or its files are damaged")


class VaultBusyError(VaultError):
    """Another process or thread has the vault open or is writing to it; nothing was changed. Try again."""

    def __init__(self) -> None:
        super().__init__("the vault is in use elsewhere: close what has it open and try again")


class VaultGoneError(VaultError):
    """The vault was destroyed, or another was put in its place, while this process had it open. Nothing was changed."""

    def __init__(self) -> None:
        super().__init__(
            "the vault that was open here is gone: everything was forgotten, or another was put in its place"
        )


class VaultStorageError(VaultError):
    """The disk is full or does not answer. Nothing that was kept before is lost, and nothing was half kept."""

    def __init__(self) -> None:
        super().__init__("the vault cannot be read or written: the disk is full, failing or not allowed")


class VaultExistsError(VaultError):
    """There is a vault already where a new one was to be made."""


class VaultVersionError(VaultError):
    """The vault was written by a newer version of this program, which an older one must not touch."""


class UnlockerError(VaultError):
    """A passphrase, key file or keyring cannot be used as it is. Says what to do about it."""


class BackupError(VaultError):
    """A backup is not restored. One text, whatever was wrong: passphrase, length or content."""

    def __init__(self) -> None:
        super().__init__("the backup cannot be restored: the passphrase is wrong, or the file is damaged")


class UnknownError(VaultError):
    """What was named is not in the vault."""


class ExcludedError(VaultError):
    """What was to be kept rests on a conversation that is private or was forgotten, so it is not kept."""
