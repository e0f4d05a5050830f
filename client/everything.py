"""Forgetting everything: the vault's key first, which makes noise of all that is under it, then the files."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from client.invitation import KEPT_OF_INVITES
from client.profile import Profile
from client.vault.keys import KeyFile, OsKeyring, Unlocker, erase
from client.vault.rotation import destroy_files
from client.vault.vault import Vault


def destroy_profile(profile: Profile) -> tuple[Path, ...]:
    """Destroys a profile. Needs no key: who has lost the passphrase can still forget.

    Other processes that have the vault open cannot work with it any more. The device's keys and its ledger stay: they
    hold nothing that was said, and a device that forgot what it told could be asked to tell it again.

    Returns:
        what was kept.

    Raises:
        OSError: a file cannot be removed; run it again.
        UnlockerError: the keyring does not answer; the files are gone all the same.
    """
    unlocker = _unlocker(profile)
    destroy_files(profile.vault_directory, unlocker)
    for trained in (
        profile.state_directory / "adapters",
        profile.state_directory / "personal",
        profile.state_directory / "answered",  # updates; a round that is asked again is declined from now on
        profile.ledger_directory / "sessions",  # an update that waits for its mask; the ledger knows of it
        *(profile.home / name for name in KEPT_OF_INVITES),
    ):
        if trained.is_dir():
            shutil.rmtree(trained)
    erase(profile.token_file)
    for file in (profile.server_file, profile.home / "profile.toml", *_unfinished(profile.home)):
        file.unlink(missing_ok=True)
    with suppress(OSError):  # something of another program's
        profile.vault_directory.rmdir()
    with suppress(OSError):  # of a device that was never asked
        profile.state_directory.rmdir()
    return tuple(path for path in (profile.state_directory, profile.ledger_directory) if path.is_dir())


def _unfinished(home: Path) -> tuple[Path, ...]:
    """What a killed writing of these files, and a killed `tacit serve --open`, left."""
    patterns = (*(f".{name}.????????" for name in ("profile.toml", "server.toml", "serve.token", "open-page.html")),
                "open-page.html")  # fmt: skip
    return tuple(path for pattern in patterns for path in home.glob(pattern) if path.is_file())


def _unlocker(profile: Profile) -> Unlocker | None:
    """Whose own key is destroyed as well. A key file may open other vaults: it is, too."""
    from client.vault.errors import VaultError

    with suppress(VaultError):
        kind = Vault.kind(profile.vault_directory)
        if kind == OsKeyring.kind:
            return OsKeyring()
        if kind == KeyFile.kind and profile.settings.key_file is not None:
            return KeyFile(profile.settings.key_file)
    return None
