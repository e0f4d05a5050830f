"""The device of a profile: its pairs are in the vault, and what lies beside the vault is sealed under keys from it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from client.device import DeclinedError, DeviceError, Gate, InstalledDevice
from client.membership import departure
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.profile import Profile
from client.running_conditions import Machine, ThisMachine
from client.server_settings import ServerSettings
from client.vault.errors import VaultError
from client.vault.vault import Vault
from shared.conversation import PreferencePair

if TYPE_CHECKING:
    from client.personal_adapter import KeptAdapters
    from client.personal_factors import SealedFactors
    from client.secure_aggregation import SecureSessions

_SHARED, _ADAPTERS, _FACTORS = "shared-adapters", "adapters", "factors"


@dataclass(frozen=True, kw_only=True, repr=False)
class _Sealing:
    """The keys of one moment.

    Attributes:
        count: of `client.vault.learned`.
        shared: of what servers sent.
        personal, factors: of what was trained here.
    """

    count: int
    shared: bytes
    personal: bytes
    factors: bytes


class VaultDevice(InstalledDevice):
    """See `client.device.Device`. What its user switched off is declined before anything else is looked at."""

    def __init__(
        self,
        profile: Profile,
        vault: Vault,
        machine: Machine | None = None,
        *,
        server: ServerSettings | None = None,
    ) -> None:
        """Args:
        server: for whom it works; once that is not the server that is joined, it answers nothing.
        """
        super().__init__(
            pairs_file=profile.home / "no-pairs-outside-the-vault",
            state_directory=profile.state_directory,
            ledger_directory=profile.ledger_directory,
            policy_file=profile.policy_file if profile.policy_file.exists() else None,
            server_key=None if server is None else server.server_key,
        )
        self._server = server
        self._vault = vault
        self._profile = profile
        self._machine = machine or ThisMachine()
        self._taken: _Sealing | None = None

    def pairs(self) -> tuple[PreferencePair, ...]:
        """Those that may be trained on, oldest first. They count as trained on from now on.

        What is kept of that training (`adapters`, `personal`) is kept under the keys of this moment, until the next
        call: if something is forgotten meanwhile, they are destroyed, and it is noise.

        Raises:
            DeviceError: the vault cannot be read.
        """
        try:
            with self._vault.together():
                kept = self._vault.pairs.take()
                self._taken = self._sealing()
        except VaultError as error:
            raise DeviceError(f"cannot read the device's pairs ({type(error).__name__})") from None
        return tuple(one.pair for one in kept)

    def gate(self) -> Gate:
        """Raises: DeclinedError: its user paused or left, or `[when]` does not allow it now."""
        obstacle = self.obstacle()
        if obstacle is not None:
            raise DeclinedError(obstacle)
        return super().gate()

    def obstacle(self, *, begins: bool = True) -> str | None:
        """Why this device must not work for others now, by its user's switch and the policy's `[when]`; else None.

        Args:
            begins: see `RunningConditions.obstacle`.
        """
        try:
            self._check_switch()
            if not self._profile.policy_file.exists():
                return "there is no policy: nothing may leave"
            when = PrivacyPolicy.load(self._profile.policy_file).when
        except (DeclinedError, PolicyError) as error:
            return str(error)
        return when.obstacle(self._machine, datetime.now().astimezone(), begins=begins)

    def sessions(self) -> SecureSessions:
        """What was begun before a pause is finished: nothing more is told by it. Raises: DeclinedError: it has left."""
        self._check_switch(may_finish=True)
        return super().sessions()

    def is_in_session(self, *, within: float) -> bool:
        """Whether others wait for its part of a secure aggregation, which spoke in the last so many seconds."""
        if not (self._profile.ledger_directory / "sessions").is_dir():
            return False
        try:
            return super().sessions().is_open(within=within)
        except (DeclinedError, DeviceError):
            return False

    def adapters(self) -> KeptAdapters:
        """What is kept of the shared adapter, and its user's own. Raises: DeviceError: the vault does not answer."""
        return self._kept(self._current())

    def adapters_of_training(self) -> KeptAdapters:
        """The same, to keep what was trained on the pairs that were read last."""
        return self._kept(self._taken or self._current())

    def personal(self) -> SealedFactors:
        """Those of the training whose pairs were read last. Raises: DeviceError: the vault does not answer."""
        return self._factors(self._taken or self._current())

    def personal_now(self) -> SealedFactors:
        """Those that count now. Raises: DeviceError: the vault does not answer."""
        return self._factors(self._current())

    def forget_personal(self) -> bool:
        """Throws away all that was trained on this device, with the keys of all copies; whether there was any.

        Raises:
            DeviceError: the vault does not answer, or a file cannot be removed; it is noise all the same.
        """
        try:
            before = self._current()
            self._vault.learned.throw_away()
        except VaultError as error:
            raise DeviceError(f"what was trained here cannot be thrown away ({type(error).__name__})") from None
        return self._remove_learned(before)

    def remove_what_is_noise(self) -> None:
        """Removes the files of what was thrown away, and updates that wait for their masks. Raises: DeviceError."""
        for waiting in (self._profile.ledger_directory / "sessions").glob("*"):
            with suppress(OSError):
                waiting.unlink()
        self._remove_learned(None)

    def _remove_learned(self, before: _Sealing | None) -> bool:
        now = self._current()
        was_there = False
        if before is not None:
            was_there = any([self._kept(before).forget_personal(), self._factors(before).forget()])
        kept = f"-{now.count}.adapter"
        for file in (self._profile.state_directory / "adapters").glob("personal-*.adapter"):
            if not file.name.endswith(kept):
                file.unlink(missing_ok=True)
        for place in (self._profile.state_directory / "personal").glob("*"):
            if place.is_dir() and place.name != str(now.count):
                shutil.rmtree(place, ignore_errors=True)
        return was_there

    def _kept(self, sealing: _Sealing) -> KeptAdapters:
        from client.personal_adapter import KeptAdapters

        return KeptAdapters(
            self._profile.state_directory / "adapters",
            device_key=sealing.shared,
            personal_key=sealing.personal,
            generation=sealing.count,
        )

    def _factors(self, sealing: _Sealing) -> SealedFactors:
        from client.personal_factors import SealedFactors

        directory = self._profile.state_directory / "personal" / str(sealing.count)
        return SealedFactors(directory, device_key=sealing.factors)

    def _current(self) -> _Sealing:
        try:
            return self._sealing()
        except VaultError as error:
            raise DeviceError(f"the vault does not give the key of this device's adapters ({error})") from None

    def _sealing(self) -> _Sealing:
        keys, learned = self._vault.device_keys, self._vault.learned
        while True:
            count = learned.count()
            found = _Sealing(
                count=count,
                shared=keys.key(_SHARED),
                personal=keys.key(learned.purpose(_ADAPTERS, count)),
                factors=keys.key(learned.purpose(_FACTORS, count)),
            )
            if learned.count() == count:  # else keys were just made for what nobody may keep
                return found
            learned.sweep()

    def _check_switch(self, *, may_finish: bool = False) -> None:
        try:
            state = self._vault.taking_part.state()
            gone = None if self._server is None else departure(self._profile, self._vault, self._server)
        except VaultError as error:
            raise DeclinedError(f"the vault does not say whether this device takes part ({error})") from None
        if gone is not None:
            raise DeclinedError(gone)
        allowed: Iterable[str] = ("on", "paused") if may_finish else ("on",)
        if state not in allowed:
            said = "has left: `tacit join` comes back" if state == "left" else "is paused: `tacit resume` goes on"
            raise DeclinedError(f"this device {said}")
