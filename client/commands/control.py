"""`tacit forget`, `export`, `pause`, `resume` and `leave`: what a person decides about all of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.opening import err, opened, out, told

if TYPE_CHECKING:
    from client.profile import Profile
    from client.vault.vault import Vault


def forget(
    conversation: Annotated[
        str | None, typer.Argument(help="Its id, as `tacit conversations` lists it.", metavar="[ID]")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Destroy the vault's key: all of it is gone, for good.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Forget a conversation with all that came from it; or everything.

    What goes: its messages, the pairs made of it, what your persona owes to it, and your own adapter, which is trained
    anew on what is left. You are told which backups still hold it, and what cannot be taken back.

    --everything destroys the key of your vault, which makes every copy of it noise; backups have passphrases of their
    own. The privacy ledger stays: it says what this device has already told, and must not be spent twice.

    Examples:

      tacit forget chat:0f2c9a

      tacit forget --everything
    """
    if (conversation is None) == (not everything):
        raise typer.BadParameter("name a conversation, or --everything", param_hint="ID")
    if everything:
        _forget_everything(yes=yes)
        return
    with told("what was forgotten stays forgotten; run it again to finish"), opened() as (profile, vault):
        _forget_one(profile, vault, str(conversation), as_json=as_json)


def export(
    directory: Annotated[Path, typer.Argument(help="A new directory.")],
    adapter: Annotated[bool, typer.Option(help="Whether the adapter that answers you is written, too.")] = True,
) -> None:
    """Take all your data along, in open formats: JSON lines, and the adapter as PEFT reads it.

    It is plain text: whoever reads the directory reads you. Example:

      tacit export ~/my-tacit
    """
    from client.assistant.adapters import attach_current
    from client.export import ExportError, export_all
    from client.vault_device import VaultDevice
    from shared.language_model import load_language_model

    with told("nothing was written"), opened() as (profile, vault):

        def save(into: Path) -> None:
            with err.status("loading the model"):
                base = load_language_model(profile.settings.model)
            attach_current(base, profile.settings.model, VaultDevice(profile, vault)).adapted.save(into)

        try:
            counts = export_all(profile, vault, directory, save_adapter=save if adapter else None)
        except ExportError as error:
            err.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
        for name, count in counts.items():
            out.print(f"{name}: {count:,}", highlight=False)
        out.print(f"all of it, in plain text: {directory}", markup=False, highlight=False)


def pause() -> None:
    """Begin nothing for any server for now. What you do here goes on. See `tacit resume`.

    A round that was begun is finished, since others count on it: a running `tacit join` disconnects when that is done,
    after an hour at most. `tacit leave` ends it at once.
    """
    with told(), opened() as (_, vault):
        vault.taking_part.pause()
        out.print(f"taking part: {vault.taking_part.state()}", highlight=False)


def resume() -> None:
    """Answer servers again, as far as your policy allows."""
    from client.membership import HasLeftError
    from client.membership import resume as go_on

    with told(), opened() as (_, vault):
        try:
            go_on(vault)
        except HasLeftError as error:
            err.print(f"error: {error}", highlight=False)
            raise typer.Exit(1) from None
        out.print("taking part: on", highlight=False)


def leave() -> None:
    """Leave the federation: nothing is answered any more, and what has been told is listed.

    A running `tacit join` disconnects at once and ends; a round that was begun is not finished.

    Updates that were added up cannot be taken back out; your ledger (`tacit privacy`) says what bounds them.
    """
    from client.membership import leave as leave_federation

    with told(), opened() as (profile, vault):
        leave_federation(profile, vault)
        out.print("left: this device answers no server any more", highlight=False)
        out.print(_cannot_be_undone(profile), highlight=False)


def _forget_one(profile: Profile, vault: Vault, conversation_id: str, *, as_json: bool) -> None:
    from client.commands.learn import learning_of
    from client.forgetting import forget_conversation
    from client.vault_device import VaultDevice

    vault.conversations.facts(conversation_id)  # an unknown one must not load a model
    learning = learning_of(profile, vault)
    with err.status("forgetting"):
        gone, after = forget_conversation(vault, VaultDevice(profile, vault), conversation_id, learning)
    derived = gone.derived
    counts = {
        "messages": gone.messages, "pairs": derived.pairs, "choices": gone.choices, "votes": gone.votes,
        "observations": derived.observations, "statements": derived.statements,
    }  # fmt: skip
    if as_json:
        said = {
            **counts,
            "backups": list(gone.backups),
            "overwritten": gone.overwritten,
            "adapter_removed": after.removed,
            "adapter_retrained": after.retrained,
            "cannot_be_undone": _cannot_be_undone(profile),
        }
        typer.echo(json.dumps(said))
        return
    out.print("gone: " + ", ".join(f"{count} {name}" for name, count in counts.items()), highlight=False)
    if after.removed:
        what = "was trained anew without it" if after.retrained else "is gone; `tacit learn` trains another"
        out.print(f"your own adapter {what}", highlight=False)
    if not gone.overwritten:
        out.print(
            "another program has the vault open: the words are overwritten when it stops and the vault is opened again",
            highlight=False,
        )
    for name in gone.backups:
        out.print(f"this backup may still hold it: {name}", markup=False, highlight=False)
    out.print(_cannot_be_undone(profile), highlight=False)


def _forget_everything(*, yes: bool) -> None:
    from client.everything import destroy_profile
    from client.profile import Profile

    with told("what was destroyed stays destroyed"):
        profile = Profile.load()
        if not yes:
            typed = typer.prompt(f"This destroys everything in {profile.home}. Type: forget everything", err=True)
            if typed.strip() != "forget everything":
                err.print("nothing was forgotten")
                raise typer.Exit(1)
        said = _cannot_be_undone(profile)
        kept = destroy_profile(profile)
        out.print("the vault's key is destroyed, and the files are gone", highlight=False)
        for path in kept:
            out.print(f"kept, so that no budget is spent twice: {path}", markup=False, highlight=False)
        out.print(said, highlight=False)


def _cannot_be_undone(profile: Profile) -> str:
    from client.vault.forgetting import CANNOT_BE_UNDONE

    if not profile.ledger_directory.is_dir():
        return "This device has never answered a server: nothing of you is anywhere else."
    return f"{CANNOT_BE_UNDONE} `tacit privacy` shows it."
