"""The device of a profile: its pairs are in the vault, and what lies beside the vault is sealed under keys from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from client.device import DeclinedError, DeviceError, Gate, InstalledDevice, Sessions
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.profile import Profile
from client.running_conditions import Machine, ThisMachine
from client.vault.errors import VaultError
from client.vault.vault import Vault
from shared.conversation import PreferencePair

if TYPE_CHECKING:
    from client.personal_adapter import KeptAdapters
    from client.personal_factors import SealedFactors

_ADAPTERS, _FACTORS = "adapters", "factors"


class VaultDevice(InstalledDevice):
    """See `client.device.Device`. What its user switched off is declined before anything else is looked at."""

    def __init__(self, profile: Profile, vault: Vault, machine: Machine | None = None) -> None:
        super().__init__(
            pairs_file=profile.home / "no-pairs-outside-the-vault",
            state_directory=profile.state_directory,
            ledger_directory=profile.ledger_directory,
            policy_file=profile.policy_file if profile.policy_file.exists() else None,
        )
        self._vault = vault
        self._profile = profile
        self._machine = machine or ThisMachine()

    def pairs(self) -> tuple[PreferencePair, ...]:
        """Those that may be trained on, oldest first. They count as used from now on.

        Raises:
            DeviceError: the vault cannot be read.
        """
        try:
            kept = self._vault.pairs.trainable()
            self._vault.pairs.mark_used(one.number for one in kept)
        except VaultError as error:
            raise DeviceError(f"cannot read the device's pairs ({type(error).__name__})") from None
        return tuple(one.pair for one in kept)

    def gate(self) -> Gate:
        """Raises: DeclinedError: its user paused or left, or `[when]` does not allow it now."""
        obstacle = self.obstacle()
        if obstacle is not None:
            raise DeclinedError(obstacle)
        return super().gate()

    def obstacle(self) -> str | None:
        """Why this device must not work for others now, by its user's switch and the policy's `[when]`; else None."""
        try:
            self._check_switch()
            if not self._profile.policy_file.exists():
                return "there is no policy: nothing may leave"
            when = PrivacyPolicy.load(self._profile.policy_file).when
        except (DeclinedError, PolicyError) as error:
            return str(error)
        return when.obstacle(self._machine, datetime.now().astimezone())

    def sessions(self) -> Sessions:
        """What was begun before a pause is finished: nothing more is told by it. Raises: DeclinedError: it has left."""
        self._check_switch(may_finish=True)
        return super().sessions()

    def adapters(self) -> KeptAdapters:
        """What is kept of the shared adapter, and its user's own. Raises: DeviceError: the vault does not answer."""
        from client.personal_adapter import KeptAdapters

        return KeptAdapters(self._profile.state_directory / "adapters", device_key=self._sealing_key(_ADAPTERS))

    def personal(self) -> SealedFactors:
        """Raises: DeviceError: the vault does not answer."""
        from client.personal_factors import SealedFactors

        return SealedFactors(self._profile.state_directory / "personal", device_key=self._sealing_key(_FACTORS))

    def forget_personal(self) -> bool:
        """Removes every adapter that was trained on this device, and the keys of all copies; whether there were any.

        What a server sent is sealed anew.

        Raises:
            DeviceError: something cannot be removed.
        """
        kept, factors = self.adapters(), self.personal()
        gone = [kept.forget_personal(), factors.forget()]
        try:
            for purpose in (_ADAPTERS, _FACTORS):
                self._vault.device_keys.replace(purpose)
        except VaultError as error:
            raise DeviceError(f"the keys of the personal adapter cannot be replaced ({type(error).__name__})") from None
        kept.reseal_shared(self.adapters())
        return any(gone)

    def _check_switch(self, *, may_finish: bool = False) -> None:
        try:
            state = self._vault.taking_part.state()
        except VaultError as error:
            raise DeclinedError(f"the vault does not say whether this device takes part ({error})") from None
        allowed: Iterable[str] = ("on", "paused") if may_finish else ("on",)
        if state not in allowed:
            said = "has left: `tacit join` comes back" if state == "left" else "is paused: `tacit resume` goes on"
            raise DeclinedError(f"this device {said}")

    def _sealing_key(self, purpose: str) -> bytes:
        try:
            return self._vault.device_keys.key(purpose)
        except VaultError as error:
            raise DeviceError(f"the vault does not give the key of this device's adapters ({error})") from None
