"""What may be wrong with a profile, and what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from client.device import DeviceError
from client.export import unfinished_exports
from client.privacy_ledger import LedgerError, PrivacyLedger
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.profile import Profile, ProfileError
from client.server_settings import ServerSettings, ServerSettingsError
from client.vault.consents import CONSENT_SOURCES
from client.vault.errors import VaultError
from client.vault.leftovers import leftovers
from client.vault.vault import Vault

Verdict = Literal["ok", "look", "wrong"]
_GIGABYTE = 10**9
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Attributes:
    what: was looked at.
    verdict: "look" works, but somebody should look at it.
    said: what was found.
    do: what to do; "" where there is nothing.
    """

    what: str
    verdict: Verdict
    said: str
    do: str = ""


def examine(profile: Profile, open_vault: Callable[[], Vault], *, load_model: bool = True) -> Iterator[Finding]:
    """Everything that can be looked at from here, one after the other.

    Nothing is changed, but what opening a vault does: one of an older version is brought to this one's schema, and a
    change of keys that was killed is finished.

    Args:
        open_vault: opens the profile's; what it raises is a finding.
        load_model: whether the model is loaded and asked for a word, which takes its time.
    """
    yield _home(profile)
    vault = None
    try:
        vault = open_vault()
        yield Finding(what="key", verdict="ok", said=f"the vault opens ({Vault.kind(profile.vault_directory)})")
    except (ProfileError, VaultError) as error:
        yield Finding(
            what="key", verdict="wrong", said=str(error),
            do="check the passphrase, keyring or key file; or restore a backup: tacit vault restore",
        )  # fmt: skip
    if vault is not None:
        with vault:
            yield _vault(vault)
            yield _adapter(profile, vault)
            yield _taking_part(vault)
    yield _unfinished(profile)
    if load_model:
        yield _model(profile)
    yield _disk(profile)
    yield _clock(profile)
    yield _policy(profile)
    yield _ledger(profile)
    yield _server(profile)


def _home(profile: Profile) -> Finding:
    loose = [
        path.name
        for path in (profile.home, profile.vault_directory, profile.state_directory, profile.token_file)
        if path.exists() and os.name == "posix" and path.stat().st_mode & 0o077
    ]
    if loose:
        return Finding(
            what="profile", verdict="wrong", said=f"others on this machine can look into {', '.join(loose)}",
            do=f"chmod -R go-rwx {profile.home}",
        )  # fmt: skip
    return Finding(what="profile", verdict="ok", said=str(profile.home))


def _vault(vault: Vault) -> Finding:
    problems = vault.problems()
    if problems:
        return Finding(
            what="vault", verdict="wrong", said="; ".join(problems),
            do="restore a backup (tacit vault restore) after moving the vault away; look at the disk",
        )  # fmt: skip
    return Finding(
        what="vault", verdict="ok", said=f"whole: {len(vault.conversations)} conversations, {len(vault.pairs)} pairs"
    )


def _unfinished(profile: Profile) -> Finding:
    """Where exports are made is not known: looked at are the current directory, and that of the profile."""
    left: list[Path] = []
    with suppress(OSError):
        left += leftovers(profile.vault_directory)
    for place in (Path(), profile.home.absolute().parent):
        with suppress(OSError):
            left += unfinished_exports(place.absolute())
    if left:
        return Finding(
            what="leftovers", verdict="look",
            said=f"begun and killed, and may be read: {', '.join(sorted({str(path) for path in left}))}",
            do="remove them, if no `tacit vault restore` or `tacit export` is running",
        )  # fmt: skip
    return Finding(what="leftovers", verdict="ok", said="none here")


def _adapter(profile: Profile, vault: Vault) -> Finding:
    from client.vault_device import VaultDevice

    try:
        kept = VaultDevice(profile, vault).adapters()
        shared = kept.shared()
        if shared is None:
            return Finding(
                what="adapter", verdict="ok", said="no server has sent one yet; your own starts from nothing"
            )
        if shared.plan.model.name != profile.settings.model.name:
            return Finding(
                what="adapter", verdict="wrong",
                said=f"the shared one is for {shared.plan.model.name}, and your model is {profile.settings.model.name}",
                do="name that model in profile.toml, or leave the server",
            )  # fmt: skip
        own = kept.personal(shared.spec_digest)
        said = f"shared, {shared.origin}"
        return Finding(
            what="adapter", verdict="ok", said=said + ("" if own is None else f"; {own.weight:.0%} of yours")
        )
    except DeviceError as error:
        return Finding(what="adapter", verdict="wrong", said=str(error), do="it comes anew with the next round")


def _taking_part(vault: Vault) -> Finding:
    state = vault.taking_part.state()
    agreed = [source for source in CONSENT_SOURCES if vault.consents.granted(source)]
    if not agreed:
        return Finding(
            what="consent", verdict="look", said=f"taking part: {state}; nothing may be learned from",
            do="tacit consent says what may be",
        )  # fmt: skip
    return Finding(what="consent", verdict="ok", said=f"taking part: {state}; learning from {', '.join(agreed)}")


def _model(profile: Profile) -> Finding:
    from shared.conversation import Message
    from shared.language_model import LanguageModelError, load_language_model

    begun = time.monotonic()
    try:
        model = load_language_model(profile.settings.model)
        loaded = time.monotonic() - begun
        model.generate([[Message(role="user", content="Hello")]], max_new_tokens=1)
    except LanguageModelError as error:
        return Finding(what="model", verdict="wrong", said=str(error), do="name another in profile.toml")
    size = sum(weight.numel() * weight.element_size() for weight in model.model.parameters())
    return Finding(
        what="model", verdict="ok",
        said=f"{model.name}: loads in {loaded:.1f} s, {size / _GIGABYTE:.2f} GB of weights in memory",
    )  # fmt: skip


def _disk(profile: Profile) -> Finding:
    free = shutil.disk_usage(profile.home).free
    if free < _GIGABYTE:
        return Finding(
            what="disk", verdict="look", said=f"{free / _GIGABYTE:.2f} GB free where the profile lies",
            do="make room: a backup and a new key each need the vault's size again",
        )  # fmt: skip
    return Finding(what="disk", verdict="ok", said=f"{free / _GIGABYTE:.0f} GB free")


def _clock(profile: Profile) -> Finding:
    now = datetime.now(UTC)
    # What was written after now was written under another clock.
    newest = max((_written_at(path) for path in profile.home.rglob("*")), default=0.0)
    if now < _EARLIEST or newest > now.timestamp() + 60:
        return Finding(
            what="clock", verdict="wrong", said=f"it says {now:%Y-%m-%d %H:%M} UTC, which cannot be",
            do="set it: a server refuses a device whose clock is more than five minutes off",
        )  # fmt: skip
    return Finding(what="clock", verdict="ok", said=f"{now:%Y-%m-%d %H:%M} UTC")


def _written_at(path: Path) -> float:
    try:
        found = path.stat()
    except OSError:  # it is gone meanwhile
        return 0.0
    return found.st_mtime if stat.S_ISREG(found.st_mode) else 0.0


def _policy(profile: Profile) -> Finding:
    if not profile.policy_file.exists():
        return Finding(
            what="policy", verdict="ok", said="none: this device answers no server",
            do=f"to take part: tacit policy init {profile.policy_file}",
        )  # fmt: skip
    try:
        policy = PrivacyPolicy.load(profile.policy_file)
    except PolicyError as error:
        return Finding(what="policy", verdict="wrong", said=str(error), do="mend it; until then nothing is answered")
    return Finding(what="policy", verdict="ok", said=f"requires protection of: {policy.require}")


def _ledger(profile: Profile) -> Finding:
    if not profile.ledger_directory.is_dir():
        return Finding(what="ledger", verdict="ok", said="empty: nothing was told yet")
    try:
        ledger = PrivacyLedger(directory=profile.ledger_directory, anchor_directory=profile.state_directory)
        return Finding(what="ledger", verdict="ok", said=f"whole: {len(ledger.charges())} answers charged")
    except LedgerError as error:
        return Finding(
            what="ledger", verdict="wrong", said=str(error),
            do="this device answers nothing until its ledger is whole: put back the newest copy, or begin a new device",
        )  # fmt: skip


def _server(profile: Profile) -> Finding:
    try:
        settings = ServerSettings.load(profile.server_file)
    except ServerSettingsError as error:
        return Finding(what="server", verdict="wrong", said=str(error), do="tacit join again")
    if settings is None:
        return Finding(what="server", verdict="ok", said="none joined")
    try:
        with socket.create_connection((settings.host, settings.port), timeout=5):
            return Finding(what="server", verdict="ok", said=f"{settings.address} can be reached")
    except OSError as error:
        return Finding(
            what="server", verdict="look", said=f"{settings.address} cannot be reached ({type(error).__name__})",
            do="look at the network; the device tries again by itself",
        )  # fmt: skip
