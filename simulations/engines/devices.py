"""Simulated devices: a population behind the client's `Device`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flwr.app import Context

from client.device import NOISE_KEY_BYTES, DeviceError, create_once, device_number
from client.personal_factors import SealedFactors
from client.secure_aggregation import SecureSessions
from server.ledger import count_charges
from shared.conversation import PreferencePair
from shared.flat_config import ConfigError
from shared.messages import TrainReply, TrainRequest
from shared.round_plan import FederationPlan
from shared.secagg.enrolment import CohortRoster, Enrolled, Roster, RosterName, sign_entry
from shared.secagg.session_terms import Member
from shared.signing_key import SigningKey
from simulations.population.protocol import Population

SECRET_FILE = "simulated-devices.key"  # noqa: S105
STATE_DIRECTORY = "simulated-devices"


@dataclass(frozen=True, kw_only=True)
class SimulatedDevice:
    """Device `index` of a population. Its noise key is derived, so that a resumed run draws the same noise."""

    population: Population
    index: int
    secret: bytes = field(repr=False)
    state_directory: Path | None = None

    def pairs(self) -> tuple[PreferencePair, ...]:
        """Made when asked for."""
        return tuple(self.population.pairs(self.index))

    def noise_key(self) -> bytes:
        """By HKDF-SHA256 from the run's secret and the index."""
        return _derived(self.secret, f"device/{self.index}")

    def identity(self) -> SigningKey:
        """Derived like its noise key."""
        return SigningKey.from_bytes(_derived(self.secret, f"identity/{self.index}"))

    def gate(self) -> OpenGate:
        """An open one."""
        return OpenGate()

    def sessions(self) -> SecureSessions:
        """In the run's directory, where whatever process answers a message finds them.

        Raises:
            DeviceError: there is none.
        """
        return SecureSessions(
            self.sessions_directory(), device_key=self.noise_key(), identity=self.identity(), lasting=False
        )

    def sessions_directory(self) -> Path:
        """Where they are kept. Raises: DeviceError: there is none."""
        return self._state("sessions")

    def personal(self) -> SealedFactors:
        """Beside its sessions.

        Raises:
            DeviceError: there is nowhere to keep them.
        """
        return SealedFactors(self._state("personal"), device_key=self.noise_key(), lasting=False)

    def keep_shared(self, request: TrainRequest) -> None:
        """Nobody uses it."""

    def _state(self, kind: str) -> Path:
        if self.state_directory is None:
            raise DeviceError("this simulated device has nowhere to keep anything")
        return self.state_directory / kind / str(self.index)


class OpenGate:
    """Admits everything: a simulated device has nobody to protect.

    What the run's own ledger counts is what a device would have been charged, since the schedule asks no device too
    often. The engine `deployed` starts devices with a policy, a ledger and the gate of a real one.
    """

    def check(self, request: TrainRequest) -> None:
        """Has nothing against it."""

    def admit(self, request: TrainRequest) -> None:
        """Admits it."""

    def keep(self, request: TrainRequest, reply: TrainReply) -> TrainReply:  # noqa: ARG002
        """Keeps nothing."""
        return reply


@dataclass(frozen=True, kw_only=True)
class SimulatedDevices:
    """Opens the device of a context, in whatever process: picklable, and nothing is made before it is asked for."""

    population: Population
    secret: bytes = field(repr=False)
    state_directory: Path | None = None

    def __call__(self, context: Context) -> SimulatedDevice:
        """Raises: DeviceError: the population has no such device."""
        number = device_number(context)
        if number >= len(self.population):
            raise DeviceError("the population has no such device")
        return self.device(number)

    def device(self, index: int) -> SimulatedDevice:
        """Device `index`."""
        return SimulatedDevice(
            population=self.population,
            index=index,
            secret=self.secret,
            state_directory=self.state_directory,
        )


class SimulatedEnrolment:
    """The roster of a population: each entry is signed when it is asked for, so that a million devices cost nothing.

    The organiser's key comes from the run's secret: in a simulation everyone is one machine.
    """

    def __init__(self, devices: SimulatedDevices) -> None:
        self._devices = devices
        self._organiser = SigningKey.from_bytes(_derived(devices.secret, "organiser"))
        self._name = RosterName(
            federation="simulation", version=1, size=len(devices.population), organiser=self._organiser.public
        )
        self._entries: dict[int, Enrolled] = {}

    @property
    def organiser(self) -> str:
        """Its public key, hex."""
        return self._organiser.public

    def cohort(self, devices: Sequence[int], *, part: int) -> CohortRoster:
        """See `server.secure_sum.Enrolment`."""
        return CohortRoster(name=self._name, part=part, entries=tuple(self._entry(number) for number in devices))

    def roster(self) -> Roster:
        """All of it."""
        return Roster(
            name=self._name, entries={number: self._entry(number) for number in range(len(self._devices.population))}
        )

    def _entry(self, number: int) -> Enrolled:
        if number not in self._entries:
            member = Member(number=number, identity=self._devices.device(number).identity().public)
            self._entries[number] = sign_entry(self._organiser, self._name, member)
        return self._entries[number]


def check_population(plan: FederationPlan, population: Population) -> None:
    """Raises: ConfigError: the plan waits for another number of devices, so that cohorts would differ by engine."""
    if plan.devices != len(population):
        raise ConfigError(
            f"federation.devices: is {plan.devices}, and the population has {len(population)}: they must be equal"
        )


def enrolment_for(plan: FederationPlan, devices: SimulatedDevices) -> SimulatedEnrolment | None:
    """Who may be in a cohort, where the plan asks for that."""
    return None if plan.secure_aggregation is None else SimulatedEnrolment(devices)


def open_population(population: Population, plan: FederationPlan, *, directory: Path) -> SimulatedDevices:
    """The devices of a run.

    A private run keeps their secret in its directory (mode 0600) while it is unfinished: with it, anyone could take the
    noise off again. One whose devices keep factors of their own does, too. Another run needs none kept.

    Raises:
        DeviceError: the secret is damaged, or gone although devices have answered.
    """
    if not plan.is_private and not plan.adapter.federation.personal:
        return SimulatedDevices(population=population, secret=secrets.token_bytes(NOISE_KEY_BYTES))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / SECRET_FILE
    if not path.exists():
        if count_charges(directory) > 0:
            # Another secret would draw other noise for what these devices have answered already.
            raise DeviceError(f"{path} is missing, so this private run cannot go on: start anew in another directory")
        create_once(path, secrets.token_bytes(NOISE_KEY_BYTES))
    secret = path.read_bytes()
    if len(secret) != NOISE_KEY_BYTES:
        raise DeviceError(f"{path} is damaged: start anew in another directory")
    # Absolute, since a runtime may change the working directory.
    state = (directory / STATE_DIRECTORY).absolute()
    return SimulatedDevices(population=population, secret=secret, state_directory=state)


def _derived(secret: bytes, what: str) -> bytes:
    info = f"tacit/simulated-{what}".encode()
    return HKDF(algorithm=SHA256(), length=NOISE_KEY_BYTES, salt=None, info=info).derive(secret)
