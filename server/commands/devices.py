"""`tacit-server enrol`, `revoke` and `devices`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from server.commands.explained import ServerOption, err, explained, out, said

if TYPE_CHECKING:
    from server.deployment.directory import ServerDirectory

_STARTS_SECONDS = 60.0  # within which a server that was just brought up has a SuperLink that answers


def enrol(
    cards: Annotated[list[Path], typer.Argument(help="Devices' public cards.", metavar="DEVICE.json...")],
    server: ServerOption = Path(),
) -> None:
    """Let devices connect, and give each its number, which it needs to join. Again changes nothing.

    For secure aggregation the organiser has to enrol them, too: `tacit-server devices --for-organiser` is the list to
    sign.
    """
    from server.deployment.devices import DeviceBook, read_card

    with explained():
        directory = _directory(server)
        read = [read_card(path) for path in cards]
        book = DeviceBook(directory.devices, first_number=directory.settings().first_number)
        for path, card in zip(cards, read, strict=True):
            device, is_new = book.enrol(card)
            said(f"{path.name}: device {device.number}{'' if is_new else ', as before'}")
        _tell(directory)


def revoke(
    devices: Annotated[list[str], typer.Argument(help="Numbers, or identities (8 digits of one are enough).")],
    server: ServerOption = Path(),
) -> None:
    """Let devices connect no longer. Their numbers are not given again.

    What they have told stays told; a roster with them in it stays valid until the organiser signs the next version.
    """
    from server.deployment.devices import DeviceBook

    with explained():
        directory = _directory(server)
        book = DeviceBook(directory.devices)
        for number in [book.find(text).number for text in devices]:
            said(f"device {book.revoke(number).number} is revoked")
        _tell(directory)


def devices(
    server: ServerOption = Path(),
    for_organiser: Annotated[
        bool, typer.Option("--for-organiser", help="The list that `tacit-server organiser roster` signs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a device.")] = False,
) -> None:
    """List the devices that were enrolled, and which are connected now."""
    from server.deployment.devices import DeviceBook

    with explained():
        directory = _directory(server)
        book = DeviceBook(directory.devices)
        if for_organiser:
            for one in book.active():
                sys.stdout.write(f"{one.number} {one.card.identity}\n")
            return
        states = _states(directory)
        table = Table()
        for name in ("device", "identity", "enrolled", "state"):
            table.add_column(name)
        for one in book.every():
            state = "revoked" if one.revoked is not None else states.get(one.number, "enrolled")
            if as_json:
                sys.stdout.write(
                    json.dumps(
                        {"device": one.number, "identity": one.card.identity, "enrolled": one.enrolled, "state": state}
                    )
                    + "\n"
                )
            table.add_row(str(one.number), one.card.identity[:16], one.enrolled[:10], state)
        if not as_json:
            out.print(table)


def _directory(path: Path) -> ServerDirectory:
    from server.deployment.directory import ServerDirectory

    directory = ServerDirectory(path)
    directory.settings()  # says so where it is none
    return directory


def _tell(directory: ServerDirectory) -> None:
    from server.deployment.devices import DeviceBook
    from server.deployment.running import read_running
    from server.deployment.superlink import UnansweredError, connected

    running = read_running(directory)
    if running is None:
        said("the server is not up: it will know when it is")
        return
    latest = time.monotonic() + _STARTS_SECONDS
    with connected(directory, running) as control, err.status("telling SuperLink"):
        while True:
            try:
                control.follow(DeviceBook(directory.devices))
            except UnansweredError:
                if time.monotonic() > latest:
                    raise
                time.sleep(1.0)
            else:
                return


def _states(directory: ServerDirectory) -> dict[int, str]:
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes

    from server.deployment.devices import DeviceBook
    from server.deployment.running import read_running
    from server.deployment.superlink import connected

    running = read_running(directory)
    if running is None:
        return {}
    with connected(directory, running) as control:
        states = {node.public_key: node.state for node in control.nodes()}
    names = {"registered": "never connected"}
    return {
        one.number: names.get(state, state)
        for one in DeviceBook(directory.devices).active()
        if (state := states.get(public_key_to_bytes(one.card.public_key()))) is not None
    }
