"""Whether this device is in a federation: what its user decides, and what a running `tacit join` sees of it.

on ── pause ──> paused ── resume ──> on      nothing new is begun; what was begun is finished
on, paused ── leave ──> left                 nothing more is said, the server is forgotten; only `tacit join` is back
"""

from __future__ import annotations

from client.profile import Profile
from client.server_settings import ServerSettings, ServerSettingsError
from client.vault.vault import Vault


class HasLeftError(RuntimeError):
    """This device has left: it comes back by joining. Says so."""


def leave(profile: Profile, vault: Vault) -> None:
    """Holds in every process, for good. Raises: VaultError, OSError."""
    vault.taking_part.decide("left")
    profile.server_file.unlink(missing_ok=True)


def resume(vault: Vault) -> None:
    """Ends a pause.

    Raises:
        HasLeftError: there is no server to go on with.
        VaultError: the vault cannot be written.
    """
    if vault.taking_part.state() == "left":
        raise HasLeftError("this device has left: `tacit join` comes back")
    vault.taking_part.decide("on")


def departure(profile: Profile, vault: Vault, settings: ServerSettings) -> str | None:
    """Why whoever joined by these settings must end; None where they still hold.

    Raises:
        VaultError: the vault does not say.
    """
    if vault.taking_part.state() == "left":
        return "this device has left: `tacit join` comes back"
    try:
        joined = ServerSettings.load(profile.server_file)
    except ServerSettingsError as error:
        return str(error)
    if joined is None:
        return "this device has left this server: `tacit join` comes back"
    if joined.whom != settings.whom:
        return "this device has joined another server since"
    return None
