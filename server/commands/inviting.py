"""`tacit-server invite` and `bundle`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from server.commands.explained import explained, said


def invite(
    directory: Annotated[Path, typer.Argument(help="The server's directory.")],
    organiser_key: Annotated[
        str, typer.Option("--organiser-key", help="The organiser's public key, as `organiser init` shows it.")
    ],
    out_file: Annotated[Path, typer.Option("--out", help="The invite.")],
    code_list: Annotated[
        Path | None, typer.Option("--code-list", help="What code devices answer for (`organiser allow-code`).")
    ] = None,
    server_key: Annotated[
        str | None,
        typer.Option(
            "--server-key",
            metavar="HEX",
            help="Of the server that runs the rounds, where this one is its link; this server's own otherwise.",
        ),
    ] = None,
) -> None:
    """Write an invite: what a device must know to join. The same for all devices, and nothing in it is secret.

    Standard output is the invite in one line. Read its fingerprint to whoever joins, over the telephone say: an invite
    that somebody has changed on its way shows another. It stays the same when the code list is a newer one, and is
    another where there is none.
    """
    from server.deployment.directory import ServerDirectory
    from server.whole_files import write_whole
    from shared.code_list import CodeList
    from shared.invite import Invite
    from shared.signing_key import SigningKey

    with explained("nothing was written"):
        server = ServerDirectory(directory)
        listed = (
            None if code_list is None else CodeList.from_json(code_list.read_text(encoding="utf-8", errors="replace"))
        )
        if listed is not None:
            listed.check(organiser_key)
        made = Invite(
            server=server.settings().address,
            authority=server.authority.read_text(encoding="ascii"),
            organiser=organiser_key,
            server_key=server_key or SigningKey.load(server.signing_key).public,
            code_list=listed,
        )
        write_whole(out_file, made.to_json().encode())
        sys.stdout.write(made.to_line() + "\n")
        said(f"fingerprint: {made.fingerprint()}")


def bundle(
    out_file: Annotated[Path | None, typer.Option("--out", help="Write the bundle there.")] = None,
) -> None:
    """Build the bundle that runs name, and show its hash: the same on every machine with this version of Tacit."""
    from server.deployment.bundle import build_bundle
    from server.whole_files import write_whole

    with explained("nothing was written"):
        built = build_bundle()
        if out_file is not None:
            write_whole(out_file, built.content)
        sys.stdout.write(built.digest + "\n")
