"""What a profile keeps of an invite, and what of it may change later: the code list, to a newer one."""

from __future__ import annotations

from pathlib import Path

from client.policy_template import policy_template
from client.profile import Profile
from client.server_settings import ServerSettings
from shared.code_list import CodeList, CodeListError
from shared.invite import Invite
from shared.private_files import write_private

_AUTHORITY, _CODE_LIST = "server-authority.pem", "code-list.json"


def accept(profile: Profile, invite: Invite, *, number: int, node_key: Path) -> ServerSettings:
    """Keeps an invite whose fingerprint its user compared; the settings that it gives.

    A policy is written where there is none: it lets this one server ask, believes this organiser, and is as strict as
    the template. One that is there stays as it is.

    Raises:
        CodeListError: its code list is not the organiser's, has expired, or is older than the one that is kept.
        OSError: something cannot be written.
    """
    if invite.code_list is not None:
        invite.code_list.check(invite.organiser)
        keep_code_list(profile, invite.code_list)
    authority = profile.home / _AUTHORITY
    write_private(authority, [invite.authority.encode("ascii")])
    if not profile.policy_file.exists():
        text = policy_template(server=invite.server_key, organiser=invite.organiser)
        write_private(profile.policy_file, [text.encode()])
    settings = ServerSettings.parse(
        invite.server,
        root_certificates=authority,
        number=number,
        node_key=node_key,
        organiser=invite.organiser if invite.code_list is not None else None,
    )
    settings.write(profile.server_file)
    return settings


def keep_code_list(profile: Profile, code_list: CodeList) -> None:
    """Takes the place of an older list of the same organiser's.

    Raises:
        CodeListError: it is older than the one that is kept.
        OSError: it cannot be written.
    """
    path = profile.home / _CODE_LIST
    try:
        kept = CodeList.from_json(path.read_bytes())
    except FileNotFoundError:
        kept = None
    if kept is not None and kept.organiser == code_list.organiser and kept.version > code_list.version:
        raise CodeListError(
            f"this code list is of version {code_list.version}, and version {kept.version} was seen already: an older "
            "one may allow what was taken back"
        )
    write_private(path, [code_list.to_json().encode("ascii")])


def code_list_of(profile: Profile, settings: ServerSettings) -> CodeList | None:
    """What code may ask this device; None where its invite did not say.

    Raises:
        CodeListError: the list is gone, damaged, not the organiser's, or has expired.
    """
    if settings.organiser is None:
        return None
    try:
        found = CodeList.from_json((profile.home / _CODE_LIST).read_bytes())
    except OSError as error:
        raise CodeListError(f"the organiser's code list cannot be read ({type(error).__name__})") from None
    found.check(settings.organiser)
    return found
