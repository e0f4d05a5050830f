"""What opens a profile's vault: a passphrase that is asked for or in the environment, the keyring, a key file."""

from __future__ import annotations

import os
from collections.abc import Callable

from client.clean_environment import PASSPHRASE_VARIABLE
from client.profile import Profile, ProfileError
from client.vault.errors import UnlockerError
from client.vault.keys import KeyFile, OsKeyring, Passphrase, Unlocker
from client.vault.vault import Vault

AskPassphrase = Callable[[str], str]
"""Given what to say, the passphrase that was typed."""


def unlocker_of(profile: Profile, ask: AskPassphrase | None = None) -> Unlocker:
    """What opens this profile's vault.

    Args:
        ask: asks a person; None where nobody can be asked.

    Raises:
        ProfileError: there is no vault.
        UnlockerError: a passphrase is needed and nobody gave one, or there is no keyring.
        VaultLockedError: the vault's header is damaged.
    """
    kind = Vault.kind(profile.vault_directory)
    if kind is None:
        raise ProfileError(f"the profile in {profile.home} has no vault: restore a backup of it, or begin a new one")
    if kind == OsKeyring.kind:
        return OsKeyring()
    if kind == KeyFile.kind:
        if profile.settings.key_file is None:
            raise UnlockerError("the vault is opened by a key file, and profile.toml does not name it: add key-file")
        return KeyFile(profile.settings.key_file)
    return Passphrase(given_passphrase(ask, "Passphrase"))


def given_passphrase(ask: AskPassphrase | None, what: str) -> str:
    """The environment's passphrase, or the one that a person types.

    Raises:
        UnlockerError: there is none, and nobody can be asked.
    """
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given:
        return given
    if ask is None:
        raise UnlockerError(f"a passphrase is needed: set {PASSPHRASE_VARIABLE}, or run this in a terminal")
    return ask(what)


def new_passphrase(ask: AskPassphrase | None, what: str) -> str:
    """The environment's passphrase, or one that a person types twice.

    Raises:
        UnlockerError: there is none, the two differ, or nobody can be asked.
    """
    first = given_passphrase(ask, what)
    if ask is not None and not os.environ.get(PASSPHRASE_VARIABLE) and ask("Again") != first:
        raise UnlockerError("the two passphrases differ")
    return first


def open_vault(profile: Profile, ask: AskPassphrase | None = None) -> Vault:
    """The profile's vault, open. Raises: as `unlocker_of` and `Vault.open`."""
    return Vault.open(profile.vault_directory, unlocker_of(profile, ask))
