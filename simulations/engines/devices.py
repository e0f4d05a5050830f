"""Simulated devices: a population behind the client's `Device`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flwr.app import Context

from client.device import NOISE_KEY_BYTES, DeviceError, create_once, device_number
from server.ledger import count_charges
from shared.conversation import PreferencePair
from shared.flat_config import ConfigError
from shared.messages import TrainReply, TrainRequest
from shared.round_plan import FederationPlan
from simulations.population.protocol import Population

SECRET_FILE = "simulated-devices.key"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class SimulatedDevice:
    """Device `index` of a population. Its noise key is derived, so that a resumed run draws the same noise."""

    population: Population
    index: int
    secret: bytes = field(repr=False)

    def pairs(self) -> tuple[PreferencePair, ...]:
        """Made when asked for."""
        return tuple(self.population.pairs(self.index))

    def noise_key(self) -> bytes:
        """By HKDF-SHA256 from the run's secret and the index."""
        info = f"tacit/simulated-device/{self.index}".encode()
        return HKDF(algorithm=SHA256(), length=NOISE_KEY_BYTES, salt=None, info=info).derive(self.secret)

    def gate(self) -> OpenGate:
        """An open one."""
        return OpenGate()


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

    def __call__(self, context: Context) -> SimulatedDevice:
        """Raises: DeviceError: the population has no such device."""
        number = device_number(context)
        if number >= len(self.population):
            raise DeviceError("the population has no such device")
        return self.device(number)

    def device(self, index: int) -> SimulatedDevice:
        """Device `index`."""
        return SimulatedDevice(population=self.population, index=index, secret=self.secret)


def check_population(plan: FederationPlan, population: Population) -> None:
    """Raises: ConfigError: the plan waits for another number of devices, so that cohorts would differ by engine."""
    if plan.devices != len(population):
        raise ConfigError(
            f"federation.devices: is {plan.devices}, and the population has {len(population)}: they must be equal"
        )


def open_population(population: Population, *, directory: Path, private: bool) -> SimulatedDevices:
    """The devices of a run.

    A private run keeps their secret in its directory (mode 0600) while it is unfinished: with it, anyone could take the
    noise off again. Another run needs none kept.

    Raises:
        DeviceError: the secret is damaged, or gone although devices have answered.
    """
    if not private:
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
    return SimulatedDevices(population=population, secret=secret)
