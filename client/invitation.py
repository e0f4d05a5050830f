"""What a profile keeps of an invite, and what of it may change later: the code list, to a newer one.

code-lists/ORGANISER.json     the newest list of each organiser; who gave one once is not believed without
authorities/FINGERPRINT.pem   that a server's certificate is checked against
servers/ADDRESS.toml          who was found at an address, so that its address alone brings nobody else
server.toml                   who is joined: written last, so that a joining that was killed has joined nobody
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from client.known_peers import FIRST_USE
from client.policy_template import policy_template
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.profile import Profile
from client.server_settings import ServerSettings
from shared.code_list import CodeList, CodeListError
from shared.invite import Invite
from shared.private_files import write_private

_LISTS, _AUTHORITIES, _SERVERS = KEPT_OF_INVITES = ("code-lists", "authorities", "servers")


def check_invite(profile: Profile, invite: Invite) -> None:
    """Whether an invite can be accepted. Writes nothing.

    Raises:
        CodeListError: its code list is not the organiser's, has expired, or is older than the one that is kept; or it
            has none, and the one that is kept has expired.
    """
    if invite.code_list is not None:
        invite.code_list.check(invite.organiser)
        _check_version(profile, invite.code_list)
    elif _list_file(profile, invite.organiser).exists():
        _kept_list(profile, invite.organiser)


def accept(profile: Profile, invite: Invite, *, number: int, node_key: Path) -> ServerSettings:
    """Keeps an invite whose fingerprint its user compared; the settings that it gives.

    A policy is written where there is none: it lets this one server ask, believes this organiser, and is as strict as
    the template. One that is there stays as it is: see `contradictions`.

    Raises:
        CodeListError: see `check_invite`.
        OSError: something cannot be written; then nobody else is joined than before.
    """
    check_invite(profile, invite)
    needs_list = invite.code_list is not None or _list_file(profile, invite.organiser).exists()
    if invite.code_list is not None:
        keep_code_list(profile, invite.code_list)
    pem = invite.authority.encode("ascii")
    authority = profile.home / _AUTHORITIES / f"{hashlib.sha256(pem).hexdigest()}.pem"
    _write(authority, pem)
    if not profile.policy_file.exists():
        text = policy_template(server=invite.server_key, organiser=invite.organiser)
        write_private(profile.policy_file, [text.encode()])
    settings = ServerSettings.parse(
        invite.server,
        root_certificates=authority,
        number=number,
        node_key=node_key,
        organiser=invite.organiser if needs_list else None,
        server_key=invite.server_key,
    )
    known = _known_file(profile, settings)
    _directory(known)
    settings.write(known)
    settings.write(profile.server_file)
    return settings


def settings_of_address(
    profile: Profile, address: str, *, root_certificates: Path | None, number: int, node_key: Path | None
) -> ServerSettings:
    """Of a server that is named by HOST:PORT. One that an invite named before keeps its key and its code list.

    Raises:
        ServerSettingsError: not such an address, or what is known of it is damaged.
        CodeListError: it needs a code list, and the one that is kept has expired.
    """
    settings = ServerSettings.parse(address, root_certificates=root_certificates, number=number, node_key=node_key)
    known = ServerSettings.load(_known_file(profile, settings))
    if known is None:
        return settings
    found = ServerSettings.parse(
        address,
        root_certificates=root_certificates,
        number=number,
        node_key=node_key,
        organiser=known.organiser,
        server_key=known.server_key,
    )
    code_list_of(profile, found)
    return found


def contradictions(profile: Profile, *, server_key: str | None, organiser: str | None) -> tuple[str, ...]:
    """Why the profile's policy will decline what a server asks whatever the plan, and what to do.

    Args:
        server_key: of the server; None where that is not known.
        organiser: of its federation; None likewise.

    Returns:
        a sentence for each.
    """
    try:
        policy = PrivacyPolicy.load(profile.policy_file)
    except PolicyError as error:
        return (f"{profile.policy_file} is not understood, so every request is declined: {error}",)
    found: list[str] = []
    if server_key is not None and policy.servers and server_key not in policy.servers:
        found.append(
            f"{profile.policy_file} lets other servers ask, and every request of this one is declined. To allow it, "
            f'add "{server_key}" to `servers`'
        )
    if organiser is None:
        return tuple(found)
    if policy.secure is None:
        found.append(
            f"{profile.policy_file} has no [secure], so rounds of secure aggregation are declined. To allow them, add "
            f'[secure] with organiser = "{organiser}"'
        )
    elif policy.secure.organiser not in (organiser, FIRST_USE):
        found.append(
            f"{profile.policy_file} believes another organiser, so this one's cohorts are declined. To believe this "
            f'one instead, set organiser = "{organiser}" in [secure]'
        )
    return tuple(found)


def keep_code_list(profile: Profile, code_list: CodeList) -> None:
    """Takes the place of an older list of the same organiser's.

    Raises:
        CodeListError: it is older than the one that is kept.
        OSError: it cannot be written.
    """
    _check_version(profile, code_list)
    _write(_list_file(profile, code_list.organiser), code_list.to_json().encode("ascii"))


def code_list_of(profile: Profile, settings: ServerSettings) -> CodeList | None:
    """What code may ask this device; None where its organiser never said.

    Raises:
        CodeListError: the list is gone, damaged, not the organiser's, or has expired.
    """
    return None if settings.organiser is None else _kept_list(profile, settings.organiser)


def _kept_list(profile: Profile, organiser: str) -> CodeList:
    try:
        found = CodeList.from_json(_list_file(profile, organiser).read_bytes())
    except OSError as error:
        raise CodeListError(f"the organiser's code list cannot be read ({type(error).__name__})") from None
    found.check(organiser)
    return found


def _check_version(profile: Profile, code_list: CodeList) -> None:
    try:
        kept = CodeList.from_json(_list_file(profile, code_list.organiser).read_bytes())
    except FileNotFoundError:
        return
    if kept.version > code_list.version:
        raise CodeListError(
            f"this code list is of version {code_list.version}, and version {kept.version} was seen already: an older "
            "one may allow what was taken back"
        )


def _list_file(profile: Profile, organiser: str) -> Path:
    return profile.home / _LISTS / f"{organiser}.json"


def _known_file(profile: Profile, settings: ServerSettings) -> Path:
    address = f"{settings.host.lower()}:{settings.port}"
    return profile.home / _SERVERS / f"{hashlib.sha256(address.encode()).hexdigest()}.toml"


def _write(path: Path, content: bytes) -> None:
    _directory(path)
    write_private(path, [content])


def _directory(path: Path) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
