"""`tacit consent` and `tacit conversations`: what may be learned from, and what is kept."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from client.commands.opening import err, opened, out, told
from client.commands.terminal_text import plain_line

if TYPE_CHECKING:
    from client.vault.consents import ConsentSource
    from client.vault.vault import Vault
    from client.vault_device import VaultDevice

WHAT: dict[ConsentSource, str] = {
    "chats": "your chats here",
    "imports": "the conversations that you imported",
    "votes": "your votes between two replies",
}
_LEARNED = (
    "Learned from means: your persona is read from it, pairs of a better and a worse reply are made of it, and an "
    "adapter is trained on them on this device. Words stay here. If you have joined a server, what it gets is a sum of "
    "many devices' updates, as your policy allows."
)


def consent(
    source: Annotated[str | None, typer.Argument(help="chats, imports or votes. Left out: show all.")] = None,
    answer: Annotated[str | None, typer.Argument(help="yes or no.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Say what your assistant may learn from. Nothing is learned from before you said yes, source by source.

    You can take it back whenever you like: from then on nothing of that source is used, and your own adapter, if it has
    learned from it, is thrown away. A conversation that is marked private is never used, whatever stands here.

    Examples:

      tacit consent

      tacit consent chats yes
    """
    from client.vault.consents import CONSENT_SOURCES
    from client.vault_device import VaultDevice

    with told(), opened() as (profile, vault):
        if source is not None:
            known = next((one for one in CONSENT_SOURCES if one == source), None)
            if known is None:
                raise typer.BadParameter(f"must be {', '.join(CONSENT_SOURCES)}", param_hint="SOURCE")
            if answer not in ("yes", "no"):
                raise typer.BadParameter("must be yes or no", param_hint="ANSWER")
            if vault.consents.decide(known, granted=answer == "yes"):
                say_thrown_away(VaultDevice(profile, vault))
        found = {one: vault.consents.granted(one) for one in CONSENT_SOURCES}
        if as_json:
            typer.echo(json.dumps(found))
            return
        table = Table.grid(padding=(0, 2))
        for one, granted in found.items():
            said = "no (you were not asked)" if granted is None else "yes" if granted else "no"
            table.add_row(one, WHAT[one], said)
        out.print(table, highlight=False)


def conversations(
    show: Annotated[str | None, typer.Option("--show", metavar="ID", help="Print one, whole.")] = None,
    private: Annotated[
        str | None, typer.Option("--private", metavar="ID", help="Never learn from this one, for good.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """List the conversations in your vault, with the ids that `tacit forget` takes; show one, or mark one private.

    Private is for good: what was learned from it goes, too, and your own adapter is trained anew without it.

    Examples:

      tacit conversations

      tacit conversations --private chat:0f2c9a
    """
    from client.forgetting import exclude_conversation
    from client.vault_device import VaultDevice

    with told(), opened() as (profile, vault):
        if private is not None:
            from client.commands.learn import learning_of

            excluded, after = exclude_conversation(
                vault, VaultDevice(profile, vault), private, learning_of(profile, vault)
            )
            out.print(
                f"private, for good. Gone: {excluded.pairs} pairs, {excluded.observations} observations and "
                f"{excluded.statements} statements{_adapter_said(after.removed, after.retrained)}",
                highlight=False,
            )
            return
        if show is not None:
            conversation = vault.conversations.get(show)
            if as_json:
                said = [{"role": one.role, "content": one.content} for one in conversation.messages]
                typer.echo(json.dumps({"conversation_id": show, "messages": said}, ensure_ascii=False))
                return
            for message in conversation.messages:
                out.print(Text(message.role, style="bold"))
                for line in message.content.splitlines():
                    out.print(Text(plain_line(line)))
            return
        facts = vault.conversations.every_facts()
        if as_json:
            typer.echo(
                json.dumps(
                    [
                        {
                            "conversation_id": one.conversation_id,
                            "source": one.source,
                            "started": None if one.started is None else one.started.isoformat(),
                            "private": one.private,
                            "messages": one.messages,
                        }
                        for one in facts
                    ]
                )
            )
            return
        if not facts:
            out.print("there are none yet: `tacit chat`, `tacit serve` and `tacit import` bring some", highlight=False)
            return
        table = Table(show_edge=False)
        for name in ("id", "from", "began", "messages", ""):
            table.add_column(name)
        for one in facts:
            began = "" if one.started is None else one.started.date().isoformat()
            table.add_row(
                Text(plain_line(one.conversation_id)), one.format or one.source, began, str(one.messages),
                "private" if one.private else "",
            )  # fmt: skip
        out.print(table)


def ask_consents(vault: Vault) -> None:
    """Asks, on a terminal, once for each source that there is something of and that was never asked about."""
    if not sys.stdin.isatty():
        return
    there = {one.source for one in vault.conversations.every_facts() if not one.private}
    asked = [source for source in ("chats", "imports") if source in there and vault.consents.granted(source) is None]
    if asked:
        err.print(_LEARNED, highlight=False)
    for source in asked:
        granted = typer.confirm(f"May your assistant learn from {WHAT[source]}?", default=False, err=True)
        vault.consents.decide(source, granted=granted)


def say_thrown_away(device: VaultDevice) -> None:
    """After a pair that was trained on must not be any more. Raises: DeviceError."""
    device.remove_what_is_noise()
    err.print("your own adapter had learned from it and is gone: `tacit learn` trains another", highlight=False)


def _adapter_said(removed: bool, retrained: bool) -> str:
    if not removed:
        return ""
    return "; your own adapter was trained anew without it" if retrained else "; your own adapter is gone"
