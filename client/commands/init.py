"""`tacit init`: a profile, an empty vault, and what opens it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.opening import asker, err, out, told
from client.commands.vault import RESTORED, backup_passphrase

if TYPE_CHECKING:
    from client.vault.keys import Unlocker


def init(
    model: Annotated[
        str,
        typer.Option(help="Who answers: embedded (comes with Tacit, knows little), a Hugging Face name, or a path."),
    ] = "embedded",
    dtype: Annotated[str, typer.Option(help="Of its weights: float32, bfloat16, float16 or auto.")] = "float32",
    keyring: Annotated[bool, typer.Option("--keyring", help="Let the system's keyring keep the key.")] = False,
    key_file: Annotated[
        Path | None, typer.Option(help="Keep the key in this file, for devices where nobody types. On another disk.")
    ] = None,
    from_backup: Annotated[
        Path | None, typer.Option(help="Begin with what this backup holds (`tacit vault backup`), as on a new device.")
    ] = None,
) -> None:
    """Make your profile: an encrypted vault for your conversations, and a model that answers you.

    Choose what opens the vault: a passphrase (asked for, or in TACIT_PASSPHRASE), the system's keyring, or a key file.
    Whoever loses it loses the vault: nobody else can open it. The profile is made in TACIT_HOME, by default ~/.tacit.
    Nothing leaves this device before you write a policy (`tacit policy init`) and join a server (`tacit join`).

    Examples:

      tacit init

      tacit init --model Qwen/Qwen2.5-0.5B-Instruct --keyring

      TACIT_HOME=/srv/tacit tacit init --key-file /media/usb/tacit.key

      tacit init --from-backup /media/usb/tacit.backup
    """
    from client.profile import Profile, ProfileSettings, default_home
    from shared.language_model import PACKAGED_MODEL, ModelConfig, load_language_model

    with told("no profile was made"):
        if dtype not in ("float32", "bfloat16", "float16", "auto"):
            raise typer.BadParameter("must be float32, bfloat16, float16 or auto", param_hint="--dtype")
        config = ModelConfig(name=_spelled(model, PACKAGED_MODEL), dtype=dtype)  # type: ignore[arg-type]
        home = default_home()
        with err.status("loading the model"):
            loaded = load_language_model(config)
        backup = None if from_backup is None else (from_backup, backup_passphrase(twice=False))
        unlocker = _unlocker(keyring=keyring, key_file=key_file)
        settings = ProfileSettings(model=config, key_file=None if key_file is None else key_file.absolute())
        profile = Profile.create(home, settings, unlocker, backup=backup)
        out.print(
            f"profile: {profile.home}; opened by {unlocker.kind}; answers: {loaded.name} "
            f"({loaded.parameter_count():,} weights)",
            markup=False,
            highlight=False,
        )
        if backup is not None:
            out.print(RESTORED, markup=False)
        out.print(
            "next: `tacit chat` to talk, `tacit import` for your old chats, `tacit serve` for a page", markup=False
        )


def _spelled(model: str, packaged: str) -> str:
    if model == "embedded":
        return packaged
    path = Path(model).expanduser()
    return str(path.absolute()) if path.is_dir() else model


def _unlocker(*, keyring: bool, key_file: Path | None) -> Unlocker:
    from client.unlocking import new_passphrase
    from client.vault.keys import KeyFile, OsKeyring, Passphrase

    if keyring and key_file is not None:
        raise typer.BadParameter("choose one of --keyring and --key-file", param_hint="--keyring")
    if keyring:
        return OsKeyring()
    if key_file is not None:
        return KeyFile(key_file.absolute())
    return Passphrase(new_passphrase(asker(), "A passphrase for your vault (there is no way to recover it)"))
