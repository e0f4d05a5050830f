"""`tacit-server organiser`: what the organiser does, on a machine that is not the server's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.commands.explained import explained, said

app = typer.Typer(
    help="What the organiser does, on another machine than the server's: say who takes part, and which code.",
    no_args_is_help=True,
)
KeyOption = Annotated[Path, typer.Option("--key", help="The organiser's key, on this machine only.")]


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Where organiser.key is made. Not on the server's machine.")],
) -> None:
    """Make the organiser's key, and show its public half, which goes into invites and devices' policies.

    Whoever has it and the server can make up devices, and so see what single people's devices say: keep them apart.
    """
    from server.deployment.directory import ORGANISER_KEY_FILE, DeploymentError, server_directory_above
    from shared.signing_key import SigningKey

    with explained("nothing was made"):
        if (server := server_directory_above(directory)) is not None:
            raise DeploymentError(
                f"{server} is a server's directory: the organiser's key must be made on another machine than the server"
            )
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / ORGANISER_KEY_FILE
        if path.exists():
            raise DeploymentError(f"{path} is there already")
        SigningKey.generate().save(path)
        said(f"made {path}: keep it on this machine, and off the server's")
        sys.stdout.write(SigningKey.load(path).public + "\n")


@app.command()
def roster(
    devices: Annotated[
        Path, typer.Argument(help="A device's number and its identity a line (`tacit-server devices`).")
    ],
    key: KeyOption,
    federation: Annotated[str, typer.Option(help="The federation's name, the same in every version.")],
    version: Annotated[int, typer.Option(min=1, help="One more than the last roster's.")],
    out_file: Annotated[Path, typer.Option("--out", help="The roster, for the server: roster.json of its directory.")],
) -> None:
    """Enrol devices: sign the list of who may be in a cohort of secure aggregation.

    Run it on the organiser's machine, which is not the server's: who has both can make up devices and unmask others.
    A device refuses a roster below the highest version that it has seen, so that who has left stays away.
    """
    from server.enrolment import read_device_list
    from server.whole_files import write_whole
    from shared.secagg.enrolment import enrol
    from shared.signing_key import SigningKey

    with explained("nothing was written"):
        signed = enrol(SigningKey.load(key), read_device_list(devices), federation=federation, version=version)
        write_whole(out_file, signed.to_json().encode())
        said(f"{len(signed.entries)} devices enrolled, version {version}, by organiser {signed.name.organiser}")


@app.command("allow-code")
def allow_code(
    bundles: Annotated[list[str], typer.Argument(help="Bundles' files, or their hashes (`tacit-server bundle`).")],
    key: KeyOption,
    version: Annotated[int, typer.Option(min=1, help="One more than the last code list's.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the list holds.")],
    out_file: Annotated[Path, typer.Option("--out", help="The code list, for invites and the server.")],
) -> None:
    """Allow code: sign the list of bundles that devices answer for, until a day."""
    import time

    from server.deployment.bundle import digest_of
    from server.whole_files import write_whole
    from shared.code_list import sign_code_list
    from shared.signing_key import SigningKey

    with explained("nothing was written"):
        expires = int(time.time()) + days * 86400
        signed = sign_code_list(
            SigningKey.load(key), [digest_of(one) for one in bundles], version=version, expires=expires
        )
        write_whole(out_file, signed.to_json().encode())
        said(
            f"{len(signed.bundles)} bundles allowed for {days} days, version {version}, by organiser {signed.organiser}"
        )
