"""`tacit release`: signed releases of the shared adapter, and the way back from one."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from client.commands.opening import err, opened, out, told

if TYPE_CHECKING:
    from client.shared_adapters import SharedAdapter

app = typer.Typer(
    help="The shared adapter that answers you: install a signed release of it, and go back to an earlier one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_KEY = re.compile(r"[0-9a-f]{64}")


@app.command()
def install(
    path: Annotated[
        Path, typer.Argument(help="A release's directory or manifest.json; of several, the last is taken.")
    ],
    server_key: Annotated[
        str | None, typer.Option(help="The key that must have signed it; instead of your policy's servers.")
    ] = None,
    older: Annotated[bool, typer.Option("--older", help="Take it although it is older than what is here.")] = False,
) -> None:
    """Check a release and let it answer you from now on; your own adapter stays on top of it.

    It must be signed by a server that your policy names, be what it was when it was signed, and be made for your base
    model. A running `tacit serve` takes it with the next question. It holds until a newer one comes, by installation
    or with a round that you answer; `tacit release rollback` takes it back. Example:

      tacit release install ~/Downloads/releases/0012
    """
    from client.releases import allowed_servers, install_release
    from client.vault_device import VaultDevice
    from shared.language_model import LanguageModel, load_language_model

    if server_key is not None and not _KEY.fullmatch(server_key):
        raise typer.BadParameter("must be 64 hex digits (`tacit-server key` shows one)", param_hint="--server-key")
    with told(), opened() as (profile, vault):

        def load() -> LanguageModel:
            with err.status("loading the model"):
                return load_language_model(profile.settings.model)

        done = install_release(
            path,
            servers=allowed_servers(profile.policy_file, server_key),
            kept=VaultDevice(profile, vault).adapters(),
            load=load,
            older=older,
        )
        said = "was in use already" if done.was_used else "answers you from now on"
        out.print(f"release {done.manifest.round_number} of run {done.manifest.run[:8]} {said}", highlight=False)
        if done.unseen:
            out.print(
                f"{done.unseen} releases between the last one known here and this were not at hand: that it follows "
                "from them is the server's word",
                highlight=False,
            )


@app.command("list")
def list_releases(as_json: Annotated[bool, typer.Option("--json", help="One JSON object each.")] = False) -> None:
    """List the shared adapters that are kept here, the newest first, and which of them answers you."""
    from client.vault_device import VaultDevice

    with told(), opened() as (profile, vault):
        kept = VaultDevice(profile, vault).adapters()
        used, here = kept.shared(), kept.all_shared()
        rows = [(number, one, used is not None and one.sequence == used.sequence) for number, one in enumerate(here, 1)]
        if as_json:
            for number, one, in_use in rows:
                typer.echo(json.dumps({"number": number, "in_use": in_use, **_said(one)}))
            return
        if not rows:
            out.print("none yet: it comes with a round that this device answers (`tacit join`), or as a signed release")
            return
        table = Table(title_justify="left")
        for name in ("number", "in use", "what", "made", "manifest"):
            table.add_column(name)
        for number, one, in_use in rows:
            said = _said(one)
            made = str(said["made"] or "with a round")
            table.add_row(str(number), "*" if in_use else "", one.origin, made, str(said["manifest"] or "")[:16])
        out.print(table)


@app.command()
def rollback(
    number: Annotated[
        int | None, typer.Argument(min=1, help="As `tacit release list` numbers them; by default the one before.")
    ] = None,
) -> None:
    """Go back to an earlier shared adapter; or forth again, by its number.

    It holds: a round that you answer brings no adapter back that you went back from. The next newer one is taken,
    whether it is installed or comes with a round; then those that you went back from are dropped. Example:

      tacit release rollback
    """
    from client.releases import roll_back
    from client.vault_device import VaultDevice

    with told(), opened() as (profile, vault):
        chosen = roll_back(VaultDevice(profile, vault).adapters(), number)
        out.print(f"in use from now on: {chosen.origin}", markup=False, highlight=False)


def _said(one: SharedAdapter) -> dict[str, object]:
    made = one.manifest
    return {
        "run": one.run,
        "release": one.release,
        "made": None if made is None else f"{datetime.fromtimestamp(made.made, UTC):%Y-%m-%d %H:%M}",
        "manifest": None if made is None else made.digest(),
        "server": None if made is None else made.server,
    }
