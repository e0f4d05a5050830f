"""The device that a client runs on: its user's preference pairs and its own secret."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from flwr.app import Context
from numpy.typing import NDArray

from shared.conversation import PreferencePair
from shared.messages import TrainReply, TrainRequest
from shared.preference_files import PreferenceFileError, read_preference_lines
from shared.secagg_messages import StageRequest
from shared.signing_key import SigningKey

if TYPE_CHECKING:
    from client.personal_adapter import KeptAdapters
    from client.personal_factors import SealedFactors
    from client.privacy_ledger import PrivacyLedger
    from client.secure_aggregation import SecureSessions

_LOG = logging.getLogger(__name__)
NOISE_KEY_BYTES = 32
_NOISE_KEY_FILE = "noise.key"
_IDENTITY_KEY_FILE = "identity.key"


class DeviceError(RuntimeError):
    """This device cannot take part: a setting or a file is missing or damaged. Holds no content; never leaves."""


class Device(Protocol):
    """What the client asks of the device it runs on."""

    def pairs(self) -> Sequence[PreferencePair]:
        """The user's pairs, possibly none. Raises `DeviceError`."""
        ...

    def noise_key(self) -> bytes:
        """32 secret bytes, the same for as long as the device lives, never sent anywhere. Raises `DeviceError`."""
        ...

    def gate(self) -> Gate:
        """What decides whether a request is answered. Raises `DeviceError`."""
        ...

    def sessions(self) -> Sessions:
        """Where it aggregates securely. Raises `DeviceError`."""
        ...

    def personal(self) -> PersonalFactors:
        """What of an adapter stays here. Raises `DeviceError`."""
        ...

    def keep_shared(self, request: TrainRequest) -> None:
        """Keeps the shared adapter that came with a request, for its user. Raises `DeviceError`."""
        ...


class PersonalFactors(Protocol):
    """The factors of an adapter that are trained here and never sent (`client.personal_factors`)."""

    def begin(self, request: TrainRequest) -> NDArray[np.float32] | None:
        """Those that the run's last round left here; the same for a round that is asked again. None has none yet.

        Raises:
            DeviceError: they cannot be read.
        """
        ...

    def keep(self, request: TrainRequest, trained: NDArray[np.float32]) -> None:
        """Keeps those that a round has trained.

        Raises:
            DeviceError: they cannot be kept.
        """
        ...


class Sessions(Protocol):
    """A device's part in secure aggregation (`client.secure_aggregation`)."""

    def enter(self, request: TrainRequest, update: NDArray[np.float32]) -> bytes:
        """Keeps a clipped update until it is masked; the session's public keys.

        Raises:
            DeclinedError: the session must not be entered.
        """
        ...

    def answer(self, request: StageRequest) -> bytes:
        """What the device says at a stage.

        Raises:
            DeclinedError: nothing.
        """
        ...


class Gate(Protocol):
    """Stands between a request and its answer (`client.participation`)."""

    def check(self, request: TrainRequest) -> None:
        """Whether the policy lets this server ask this plan at all: before anything that the request names is loaded.

        Raises:
            DeclinedError: it does not.
        """
        ...

    def admit(self, request: TrainRequest) -> TrainReply | None:
        """The reply that was sent to this very request, or None if it is to be answered now, and is charged for.

        Raises:
            DeclinedError: it is not to be answered.
        """
        ...

    def keep(self, request: TrainRequest, reply: TrainReply) -> TrainReply:
        """Records a reply; what is to be sent, which is another process's where that was first.

        Raises:
            DeclinedError: nothing must be sent.
        """
        ...


class DeclinedError(RuntimeError):
    """This device does not answer. The message is for its user; the server learns "declined" and nothing else."""


class InstalledDevice:
    """A device whose pairs are a file and whose secret is another."""

    def __init__(
        self,
        *,
        pairs_file: Path,
        state_directory: Path,
        ledger_directory: Path | None = None,
        policy_file: Path | None = None,
        server_key: str | None = None,
    ) -> None:
        """Args:
        pairs_file: preference JSONL in TRL's format (`shared.preference_lines`); `user_id` may be left out.
        state_directory: the device's own, made with mode 0700 if it is missing.
        ledger_directory: of the privacy ledger, which no backup should hold; by default beside the state.
        policy_file: what the user allows (`client.privacy_policy`); without one this device answers nothing.
        server_key: public key, hex, that every request must be signed by, whatever the policy says of servers.
        """
        self._pairs_file = pairs_file
        self._state = state_directory
        self._ledger = ledger_directory or default_ledger_directory(state_directory)
        self._policy_file = policy_file
        self._server_key = server_key

    def pairs(self) -> tuple[PreferencePair, ...]:
        """Read anew each time: the user's file may have grown."""
        try:
            lines = read_preference_lines(self._pairs_file, user_id_required=False)
        except FileNotFoundError:
            _LOG.warning("this device has no file of pairs (yet)")
            return ()
        except (OSError, PreferenceFileError) as error:
            raise DeviceError(f"cannot read the device's pairs ({type(error).__name__})") from None
        return tuple(line.pair for line in lines)

    def noise_key(self) -> bytes:
        """Made with mode 0600 on first use, whole or not at all, whoever else tries at the same moment."""
        return self._key(_NOISE_KEY_FILE, "noise key")

    def identity(self) -> SigningKey:
        """The long-term key under which an organiser enrols this device; made as the noise key is.

        Raises:
            DeviceError: it cannot be kept, or is damaged.
        """
        return SigningKey.from_bytes(self._key(_IDENTITY_KEY_FILE, "identity key"))

    def _key(self, name: str, what: str) -> bytes:
        path = self._state / name
        try:
            if not path.exists():
                self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
                create_once(path, secrets.token_bytes(NOISE_KEY_BYTES))
            if os.name == "posix" and path.stat().st_mode & 0o077:
                raise DeviceError(f"the device's {what} can be read by others: set its mode to 0600")
            key = path.read_bytes()
        except OSError as error:
            raise DeviceError(f"cannot keep the device's {what} ({type(error).__name__})") from None
        if len(key) != NOISE_KEY_BYTES:
            raise DeviceError(f"the device's {what} is damaged")
        return key

    def gate(self) -> Gate:
        """Policy, ledger and answered rounds, read anew each time."""
        from client.answered import AnsweredRounds
        from client.known_peers import KnownPeers
        from client.participation import Participation
        from client.privacy_ledger import LedgerError
        from client.privacy_policy import PolicyError, PrivacyPolicy

        try:
            ledger = self._open_ledger()
            policy = None if self._policy_file is None else PrivacyPolicy.load(self._policy_file)
        except (LedgerError, PolicyError) as error:
            raise DeclinedError(str(error)) from None
        answered = AnsweredRounds(self._state / "answered", device_key=self.noise_key())
        return Participation(
            policy=policy,
            ledger=ledger,
            answered=answered,
            peers=KnownPeers(self._state),
            identity=self.identity().public,
            server_key=self._server_key,
        )

    def sessions(self) -> SecureSessions:
        """In files beside the ledger, which no backup should hold: a session that was set back is gone."""
        from client.privacy_ledger import LedgerError
        from client.secure_aggregation import SecureSessions

        try:
            ledger = self._open_ledger()
        except LedgerError as error:
            raise DeclinedError(str(error)) from None
        return SecureSessions(
            self._ledger / "sessions", device_key=self.noise_key(), identity=self.identity(), ledger=ledger
        )

    def personal(self) -> SealedFactors:
        """In files of the state directory, encrypted under the device's key."""
        from client.personal_factors import SealedFactors

        return SealedFactors(self._state / "personal", device_key=self.noise_key())

    def adapters(self) -> KeptAdapters:
        """What is kept of the shared adapter, and its user's own.

        Raises:
            DeviceError: this device has answered nothing yet; its keys are not begun by looking.
        """
        from client.personal_adapter import KeptAdapters

        if not (self._state / _NOISE_KEY_FILE).exists():
            raise DeviceError(
                f"nothing is kept in {self._state} yet: a shared adapter comes with the first round that this device "
                "answers (for one without any federation there is `tacit train`)"
            )
        return KeptAdapters(self._state / "adapters", device_key=self.noise_key())

    def keep_shared(self, request: TrainRequest) -> None:
        """See `Device`."""
        self.adapters().keep_shared(request)

    def _open_ledger(self) -> PrivacyLedger:
        """A new device's ledger is begun before its noise key: one that has a key and no ledger has lost it."""
        from client.privacy_ledger import PrivacyLedger

        ledger = PrivacyLedger(directory=self._ledger, anchor_directory=self._state)
        if not (self._state / _NOISE_KEY_FILE).exists():
            ledger.begin()
        return ledger


def default_ledger_directory(state_directory: Path) -> Path:
    """Beside the state and not in it: a backup of the one must not set back the other."""
    return state_directory.with_name(f"{state_directory.name}-ledger")


def open_installed_device(context: Context) -> InstalledDevice:
    """The device named by a SuperNode's node configuration.

    `pairs="FILE" state-dir="DIRECTORY" policy="FILE"`, and optionally `ledger-dir="DIRECTORY"`.

    Raises:
        DeviceError: pairs or state directory are missing.
    """
    found = [context.node_config.get(key) for key in ("pairs", "state-dir", "policy", "ledger-dir")]
    pairs, state, policy, ledger = (Path(value) if isinstance(value, str) and value else None for value in found)
    if pairs is None or state is None:
        raise DeviceError("the node configuration must name pairs=FILE and state-dir=DIRECTORY")
    return InstalledDevice(pairs_file=pairs, state_directory=state, policy_file=policy, ledger_directory=ledger)


def device_number(context: Context) -> int:
    """How cohorts know this device: its node configuration's `device-number`, else its partition, else its node id."""
    for key in ("device-number", "partition-id"):
        number = context.node_config.get(key)
        if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
            return number
    return context.node_id % 2**63


def create_once(path: Path, content: bytes) -> None:
    """Makes a file with mode 0600, whole or not at all; one that is there already stays. Raises: OSError."""
    # A link fails where the name exists: two processes end with one key, and no reader sees half of it.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        Path(temporary).unlink(missing_ok=True)
