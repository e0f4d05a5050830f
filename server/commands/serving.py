"""`tacit-server init`, `renew` and `up`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.commands.explained import ServerOption, explained, said


def init(
    directory: Annotated[Path, typer.Argument(help="Made with mode 0700; must not be there, or be empty.")],
    host: Annotated[str, typer.Option(help="Name or address by which devices reach this server.")],
    port: Annotated[int, typer.Option(help="That devices connect to.")] = 8443,
) -> None:
    """Make a server: its certificates, its signing key, its configuration. Changes nothing that is there.

    The organiser's key is not among them, and must not be on this machine: `tacit-server organiser init` makes it.

    Example:

      tacit-server init /srv/tacit --host tacit.example
    """
    from server.deployment.directory import ServerDirectory, ServerSettings
    from shared.signing_key import SigningKey

    with explained("nothing was made"):
        made = ServerDirectory.create(directory, ServerSettings(host=host, port=port))
        said(f"made {made.path} for {made.settings().address}")
        said("next: tacit-server up, and on another machine tacit-server organiser init")
        sys.stdout.write(SigningKey.load(made.signing_key).public + "\n")


def renew(server: ServerOption = Path()) -> None:
    """Make new certificates for the host in `server.toml`; invites stay good. Start the server again to use them."""
    from server.deployment.directory import ServerDirectory

    with explained():
        ServerDirectory(server).renew()
        said("the certificates are new: start the server again")


def up(
    directory: Annotated[Path, typer.Argument(help="The server's directory.", envvar="TACIT_SERVER")] = Path(),
) -> None:
    """Serve devices, until Ctrl-C or SIGTERM: starts again what dies, and goes on with the runs that were under way."""
    from server.deployment.directory import ServerDirectory
    from server.deployment.up import serve

    with explained("stopped"):
        serve(ServerDirectory(directory), say=said)
