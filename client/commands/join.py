"""`tacit join`, `tacit card` and `tacit doctor`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from client.commands.opening import asker, err, opened, out, told

if TYPE_CHECKING:
    from client.profile import Profile
    from client.server_settings import ServerSettings
    from client.vault.vault import Vault
    from shared.invite import Invite


def join(
    server: Annotated[
        str | None,
        typer.Argument(
            help="An invite: its file, or its line that begins with tacit1:. Or HOST:PORT. Left out: who was joined "
            "before.",
            metavar="[INVITE]",
        ),
    ] = None,
    fingerprint: Annotated[
        str | None, typer.Option(help="Of the invite, as you have it from its sender by another way; else it is asked.")
    ] = None,
    number: Annotated[int, typer.Option(help="By which cohorts know this device; who enrolled it says it.", min=0)] = 0,
    ca: Annotated[
        Path | None, typer.Option(help="With HOST:PORT: certificate of the authority that the server's is checked by.")
    ] = None,
    node_key: Annotated[
        Path | None, typer.Option("--node-key", help="With HOST:PORT: another key than the profile's own (P-384).")
    ] = None,
    service: Annotated[
        bool, typer.Option("--service", help="Write a systemd user unit that takes part in the background, and end.")
    ] = False,
    memory: Annotated[
        float | None, typer.Option(help="With --service: most GB of memory; left out: what a round needs.", min=0.5)
    ] = None,
    cpu: Annotated[int, typer.Option(help="With --service: most per cent of one core.", min=1)] = 100,
) -> None:
    """Take part: answer a server's rounds, as far as your policy allows, until Ctrl-C.

    Runs your own installed client, never what a server ships. What may leave, and when this device works for others, is
    in policy.toml of your profile; joining by an invite writes one to start from, which you should read.
    `tacit privacy` shows what has been told. `tacit pause` and `tacit leave` hold at once, also while this runs: paused
    it begins nothing, finishes what it began, and disconnects; left it disconnects and ends.

    Examples:

      tacit card --out me.json              (give it to who runs the server, who enrols it and sends an invite)

      tacit join invite.json --number 7

      tacit join --service
    """
    from client.invitation import contradictions
    from client.joining import take_part
    from client.profile import Profile, ProfileError
    from client.server_settings import ServerSettingsError
    from client.supernode import SuperNodeError
    from shared.code_list import CodeListError
    from shared.invite import InviteError

    with told():
        profile = Profile.load()
        try:
            # Everything that may fail comes before the first file that is written.
            invite = None if server is None else _invite(profile, server, fingerprint)
            if server is None and not profile.server_file.exists():
                raise ProfileError("no server was joined yet: give an invite, as in `tacit join invite.json`")
            if invite is None and not profile.policy_file.exists():
                raise ProfileError(
                    f"nothing may leave without a policy: tacit policy init {profile.policy_file}, and read it"
                )
            limit = _service_memory(profile, memory) if service else None
            with opened() as (_, vault):
                if server is None:
                    settings = _joined(profile, vault)
                else:
                    had_policy = profile.policy_file.exists()
                    settings = _join(profile, server, invite, ca, number, node_key)
                    vault.taking_part.decide("on")
                    if not had_policy:
                        out.print(
                            f"a policy to start from was written: read {profile.policy_file}",
                            markup=False, highlight=False,
                        )  # fmt: skip
                    organiser = settings.organiser if invite is None else invite.organiser
                    for warning in contradictions(profile, server_key=settings.server_key, organiser=organiser):
                        err.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
                if limit is not None:
                    _write_service(profile, limit, cpu)
                    return
                over, count = _take_part(profile, vault, settings, take_part)
        except (CodeListError, InviteError, ServerSettingsError, SuperNodeError) as error:
            raise ProfileError(str(error)) from None
        out.print(
            f"stopped; {count} messages were answered. {over or '`tacit leave` leaves for good'}", highlight=False
        )


def card(
    path: Annotated[Path | None, typer.Option("--out", help="A new file; left out: printed.")] = None,
) -> None:
    """Show this device's card: the public keys by which a server and its organiser enrol it. Nothing in it is secret.

    Give it to them yourself: whoever changes it on its way enrols a device of their own in your place. Example:

      tacit card --out me.json
    """
    from client.node_key import device_card
    from client.vault_device import VaultDevice

    with told(), opened() as (profile, vault):
        said = device_card(VaultDevice(profile, vault), profile.state_directory).to_json()
        if path is None:
            typer.echo(said, nl=False)
        else:
            with path.open("x", encoding="ascii") as file:
                file.write(said)
            out.print(f"card: {path}", markup=False, highlight=False)


def doctor(
    model: Annotated[bool, typer.Option(help="Whether the model is loaded and asked for a word.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Look at everything that may be wrong, and say what to do: key, vault, model, disk, clock, policy, ledger, server.

    Changes nothing but what every command does that opens the vault: one of an older version is brought to this
    version's form, and a change of keys that was killed is finished. Ends with status 1 if something is wrong.
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


@contextmanager
def _stopping_on_signals(stop: threading.Event) -> Iterator[None]:
    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _take_part(
    profile: Profile, vault: Vault, settings: ServerSettings, take_part: Callable[..., str | None]
) -> tuple[str | None, int]:
    """Until it is stopped; why it ended by itself, and how many messages were answered."""
    stop = threading.Event()
    count, why = 0, ""

    def show() -> None:
        doing = f"begins nothing: {why}" if why else f"taking part in {settings.address}"
        status.update(f"{doing}; {count} messages answered. Ctrl-C stops")

    def answered() -> None:
        nonlocal count
        count += 1
        show()

    def waits(reason: str | None) -> None:
        nonlocal why
        if reason and reason != why and not err.is_terminal:  # in a log, nobody sees the status line
            err.print(f"begins nothing: {reason}", markup=False, highlight=False, soft_wrap=True)
        why = reason or ""
        show()

    with _stopping_on_signals(stop), err.status(f"taking part in {settings.address}. Ctrl-C stops") as status:
        over = take_part(profile, vault, settings, stop, answered=answered, waits=waits)
    return over, count


def _invite(profile: Profile, server: str, fingerprint: str | None) -> Invite | None:
    """One that can be accepted, its fingerprint compared; None for an address. Raises: InviteError, CodeListError."""
    from client.invitation import check_invite
    from shared.invite import PREFIX, Invite

    path = Path(server)
    if not server.startswith(PREFIX) and not path.is_file():
        return None
    invite = Invite.parse(server if server.startswith(PREFIX) else path.read_text(encoding="utf-8"))
    _compare(invite, fingerprint)
    check_invite(profile, invite)
    return invite


def _joined(profile: Profile, vault: Vault) -> ServerSettings:
    """Who was joined before. Raises: ProfileError, ServerSettingsError."""
    from client.profile import ProfileError
    from client.server_settings import ServerSettings

    settings = ServerSettings.load(profile.server_file)
    if settings is None or vault.taking_part.state() == "left":
        raise ProfileError("this device has left: give an invite to join again, as in `tacit join invite.json`")
    return settings


def _join(
    profile: Profile, server: str, invite: Invite | None, ca: Path | None, number: int, node_key: Path | None
) -> ServerSettings:
    """Writes who is joined. Raises: ServerSettingsError, CodeListError, DeviceError, OSError."""
    from client.invitation import accept, settings_of_address
    from client.node_key import node_key_file

    if invite is not None:
        return accept(profile, invite, number=number, node_key=node_key_file(profile.state_directory))
    settings = settings_of_address(
        profile,
        server,
        root_certificates=None if ca is None else ca.absolute(),
        number=number,
        node_key=None if node_key is None else node_key.absolute(),
    )
    settings.write(profile.server_file)
    return settings


def _compare(invite: Invite, fingerprint: str | None) -> None:
    from client.profile import ProfileError

    found = invite.fingerprint()
    if fingerprint is not None:
        if "".join(fingerprint.split()).upper() != "".join(found.split()):
            raise ProfileError("the invite's fingerprint is another: it was changed on its way, or is another server's")
        return
    err.print(f"An invite to {invite.server}. Its fingerprint:\n\n    {found}\n", markup=False, highlight=False)
    if not sys.stdin.isatty():
        raise ProfileError("compare the fingerprint with its sender, and give it with --fingerprint")
    if not typer.confirm("Does its sender read you the same, by another way than the invite came?", err=True):
        raise ProfileError("nobody was joined: an invite that cannot be compared may be anybody's")


def _service_memory(profile: Profile, memory: float | None) -> float:
    """How much a service may have, in GB. Raises: ProfileError: there can be none, or it would be too little."""
    from client.profile import ProfileError
    from client.service_unit import has_systemd, memory_need_gb
    from client.vault.keys import Passphrase
    from client.vault.vault import Vault
    from shared.language_model import weight_bytes

    if not has_systemd():
        raise ProfileError("this system has no systemd, for which --service writes: leave `tacit join` running instead")
    if Vault.kind(profile.vault_directory) == Passphrase.kind:
        raise ProfileError(
            "nobody is there to type a passphrase in the background: begin a profile with --keyring or --key-file"
        )
    need = memory_need_gb(weight_bytes(profile.settings.model))
    if memory is not None and memory < need:
        raise ProfileError(
            f"a round with {profile.settings.model.name} may need {need} GB: give --memory {need} or more"
        )
    return need if memory is None else memory


def _write_service(profile: Profile, memory: float, cpu: int) -> None:
    from client.service_unit import UNIT, unit_file, unit_text

    path = unit_file(Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(unit_text(profile, memory_gb=memory, cpu_percent=cpu), encoding="utf-8")
    out.print(f"{path}: start it with systemctl --user enable --now {UNIT}", markup=False, highlight=False)
