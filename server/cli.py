"""`tacit-server`: what an operator types, and what an organiser does.

PyTorch and the rest are imported by the commands that use them, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.commands.devices import devices, enrol, revoke
from server.commands.explained import err, explained
from server.commands.inviting import bundle, invite
from server.commands.organiser import app as organiser_app
from server.commands.planning import plan
from server.commands.releasing import app as release_app
from server.commands.serving import init, renew, up
from server.commands.showing import status
from server.commands.training import stop, train
from shared.command_line import run_script

app = typer.Typer(
    help="The server's side of Tacit: plan a federation, serve it, and see how it goes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (init, up, enrol, revoke, devices, invite, plan, train, stop, status, bundle, renew):
    app.command()(_command)
app.add_typer(organiser_app, name="organiser")
app.add_typer(release_app, name="release")


@app.command()
def key(path: Annotated[Path, typer.Argument(help="The server's key; made with mode 0600 if it is missing.")]) -> None:
    """Show the public key that devices name in their policy, and make the key if there is none.

    A run signs its requests with it where `output.signing-key` names the file.
    """
    from shared.server_identity import ServerKey

    with explained("nothing was written"):
        if not path.exists():
            ServerKey.generate().save(path)
        sys.stdout.write(ServerKey.load(path).public + "\n")


def main() -> None:
    """The console script."""
    run_script(app, err)
