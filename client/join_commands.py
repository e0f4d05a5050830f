"""`tacit join` and `tacit doctor`."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.table import Table

from client.opening import asker, err, opened, out, told


def join(
    server: Annotated[
        str | None, typer.Argument(help="HOST:PORT. Left out: the one that was joined before.", metavar="[SERVER]")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="PEM certificate of the authority that the server's is checked against.")
    ] = None,
    number: Annotated[int, typer.Option(help="By which cohorts know this device; its organiser gives it.", min=0)] = 0,
    node_key: Annotated[
        Path | None, typer.Option("--node-key", help="This device's P-384 key for its connection, in OpenSSH's format.")
    ] = None,
) -> None:
    """Take part: answer a server's rounds, as far as your policy allows, until Ctrl-C.

    Runs your own installed client, never what a server ships. What may leave is in policy.toml of your profile
    (`tacit policy init` writes one to start from, `tacit policy check` tries a plan on it); `tacit privacy` shows what
    has been told. `tacit pause` and `tacit leave` hold from the next request on, also while this runs.

    Example:

      tacit join tacit.example:443 --ca authority.pem --number 7
    """
    from client.joining import JoiningError, take_part
    from client.profile import Profile, ProfileError
    from client.server_settings import ServerSettings, ServerSettingsError

    with told():
        profile = Profile.load()
        try:
            if server is None:
                settings = ServerSettings.load(profile.server_file)
                if settings is None:
                    raise ProfileError("no server was joined yet: name it, as in `tacit join tacit.example:443`")
            else:
                settings = ServerSettings.parse(
                    server,
                    root_certificates=None if ca is None else ca.absolute(),
                    number=number,
                    node_key=None if node_key is None else node_key.absolute(),
                )
        except ServerSettingsError as error:
            raise ProfileError(str(error)) from None
        with opened() as (_, vault):
            if not profile.policy_file.exists():
                raise ProfileError(
                    f"nothing may leave without a policy: tacit policy init {profile.policy_file}, and read it"
                )
            settings.write(profile.server_file)
            vault.taking_part.decide("on")
            stop = threading.Event()
            _stop_on_signals(stop)
            count = 0

            def answered() -> None:
                nonlocal count
                count += 1
                status.update(f"taking part in {settings.address}: {count} messages answered")

            with err.status(f"taking part in {settings.address}; Ctrl-C stops") as status:
                try:
                    take_part(profile, vault, settings, stop, answered=answered)
                except JoiningError as error:
                    raise ProfileError(str(error)) from None
            out.print(f"stopped; {count} messages were answered. `tacit leave` leaves for good", highlight=False)


def doctor(
    model: Annotated[bool, typer.Option(help="Whether the model is loaded and asked for a word.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Look at everything that may be wrong, and say what to do: key, vault, model, disk, clock, policy, ledger, server.

    Changes nothing. Ends with status 1 if something is wrong.
    """
    from client.doctor import examine
    from client.profile import Profile
    from client.unlocking import open_vault

    with told():
        profile = Profile.load()
        findings = list(examine(profile, lambda: open_vault(profile, asker()), load_model=model))
        if as_json:
            typer.echo(json.dumps([vars(one) for one in findings]))
        else:
            table = Table(show_edge=False, show_header=False)
            marks = {"ok": "[green]ok[/green]", "look": "[yellow]look[/yellow]", "wrong": "[red]wrong[/red]"}
            for one in findings:
                table.add_row(one.what, marks[one.verdict], one.said + (f"\n→ {one.do}" if one.do else ""))
            out.print(table)
        if any(one.verdict == "wrong" for one in findings):
            raise typer.Exit(1)


def _stop_on_signals(stop: threading.Event) -> None:
    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ask)
