"""`tacit vault`: backups, and the keys that everything is under."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.opening import asker, err, opened, out, told

if TYPE_CHECKING:
    from client.profile import Profile
    from client.vault.keys import Unlocker

app = typer.Typer(
    help="Back your vault up, bring it back, and change what opens it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
RESTORED = "restored; say anew what may be learned from (`tacit consent`), and `tacit resume` to take part"


@app.command()
def backup(path: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Write an encrypted backup, under a passphrase of its own (asked for, or in TACIT_BACKUP_PASSPHRASE).

    Not in it: the privacy ledger and what was answered, which must never be set back; and adapters, which can be
    trained again. What you forget later is still in it, and `tacit forget` names it then.

    Example:

      tacit vault backup /media/usb/tacit.backup
    """
    with told("no backup was written"), opened() as (_, vault):
        vault.back_up(path, backup_passphrase(twice=True))
        out.print(f"backup: {path}", markup=False, highlight=False)


@app.command()
def restore(path: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Bring a vault back from a backup, into a profile that has none or whose vault holds nothing yet.

    Nothing is learned from it and no server is answered before you say so again: consents are not restored, and what
    you forgot or marked private since the backup is back. The ledger stays as it is. On a new device,
    `tacit init --from-backup` does all at once.

    Example:

      tacit vault restore /media/usb/tacit.backup
    """
    from client.profile import Profile
    from client.vault.backup import restore as restore_backup
    from client.vault.vault import Vault

    with told("nothing was restored"):
        profile = Profile.load()
        is_there = Vault.kind(profile.vault_directory) is not None
        unlocker = _of_a_vault_of_nothing(profile) if is_there else _new_unlocker(profile)
        said = backup_passphrase(twice=False)
        with err.status("restoring"):
            restore_backup(path, profile.vault_directory, said, unlocker=unlocker, replaces=is_there)
        out.print(RESTORED, markup=False)


def _of_a_vault_of_nothing(profile: Profile) -> Unlocker:
    """What opens the vault that is there, and will open the restored one. Raises: ProfileError: it holds something."""
    from client.profile import ProfileError
    from client.unlocking import unlocker_of
    from client.vault.vault import Vault

    unlocker = unlocker_of(profile, asker())
    with Vault.open(profile.vault_directory, unlocker) as vault:
        if not vault.holds_nothing():
            raise ProfileError(
                f"there is a vault in {profile.vault_directory} already that holds something: it is not replaced"
            )
    return unlocker


def _new_unlocker(profile: Profile) -> Unlocker:
    from client.unlocking import new_passphrase
    from client.vault.keys import KeyFile, Passphrase

    if profile.settings.key_file is not None:
        return KeyFile(profile.settings.key_file)
    return Passphrase(new_passphrase(asker(), "A passphrase for the vault"))


@app.command()
def passphrase() -> None:
    """Change the passphrase, or from another unlocker to a passphrase. Asks for the new one.

    Who knows the old one and has a copy of your files can still open that copy: `tacit vault rotate` afterwards makes
    copies of the new files useless to them.
    """
    from client.profile import Profile
    from client.unlocking import unlocker_of
    from client.vault.errors import UnlockerError
    from client.vault.keys import Passphrase
    from client.vault.vault import Vault

    with told():
        profile = Profile.load()
        old = unlocker_of(profile, asker())
        ask = asker()
        if ask is None:
            raise UnlockerError("the new passphrase is asked for: run this in a terminal")
        first = ask("New passphrase")
        if ask("Again") != first:
            raise UnlockerError("the two passphrases differ")
        with Vault.open(profile.vault_directory, old) as vault:
            vault.change_unlocker(old, Passphrase(first))
        out.print("changed")


@app.command()
def rotate() -> None:
    """Encrypt everything under a new key. Close `tacit serve` and `tacit chat` first; takes seconds a gigabyte."""
    from client.profile import Profile
    from client.unlocking import unlocker_of
    from client.vault.vault import Vault

    with told("the old key holds, or the new one does: the vault opens either way"):
        profile = Profile.load()
        unlocker = unlocker_of(profile, asker())
        with Vault.open(profile.vault_directory, unlocker) as vault, err.status("encrypting"):
            vault.rotate_data_key(unlocker)
        out.print("everything is under a new key")


def backup_passphrase(*, twice: bool) -> str:
    """Of a backup, from the environment or typed. Raises: UnlockerError."""
    import os

    from client.clean_environment import BACKUP_PASSPHRASE_VARIABLE
    from client.vault.errors import UnlockerError

    given = os.environ.get(BACKUP_PASSPHRASE_VARIABLE)
    if given:
        return given
    ask = asker()
    if ask is None:
        raise UnlockerError(
            f"a passphrase for the backup is needed: set {BACKUP_PASSPHRASE_VARIABLE}, or use a terminal"
        )
    said = ask("Passphrase of the backup")
    if twice and ask("Again") != said:
        raise UnlockerError("the two passphrases differ")
    return said
