"""The devices that this server knows: `devices.json`, by number. What SuperLink knows of them follows this file.

A number is given once and never again, so that a roster, a ledger or a schedule that names it means one device. The
file holds public keys only; who they belong to is for the organiser to know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from server.deployment.directory import DeploymentError
from shared.device_card import CardError, DeviceCard
from shared.private_files import write_private

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class EnrolledDevice:
    """Attributes:
    number: by which cohorts know it.
    card: its keys.
    enrolled: when, ISO 8601 in UTC.
    revoked: when, or None.
    """

    number: int
    card: DeviceCard
    enrolled: str
    revoked: str | None = None


class DeviceBook:
    """`devices.json`."""

    def __init__(
        self, path: Path, *, first_number: int = 0, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._first_number = first_number
        self._now = now

    def every(self) -> tuple[EnrolledDevice, ...]:
        """All devices that were ever enrolled, by number. Raises: DeploymentError: the file is damaged."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise DeploymentError(f"cannot read {self._path}: {error.strerror}") from None
        try:
            said = json.loads(text)
            if said["format"] != _FORMAT:
                raise ValueError
            found = tuple(
                EnrolledDevice(
                    number=int(one["number"]),
                    card=DeviceCard(identity=one["identity"], node_key=one["node_key"]),
                    enrolled=str(one["enrolled"]),
                    revoked=one["revoked"],
                )
                for one in said["devices"]
            )
        except (ValueError, KeyError, TypeError):
            raise DeploymentError(f"{self._path} is damaged: put a copy of it back") from None
        return found

    def active(self) -> tuple[EnrolledDevice, ...]:
        """Those that are not revoked. Raises: DeploymentError."""
        return tuple(one for one in self.every() if one.revoked is None)

    def enrol(self, card: DeviceCard) -> tuple[EnrolledDevice, bool]:
        """A device's entry, made if it is new; whether it is.

        A revoked device comes back under a new node key and a new number: SuperLink takes a node key once.

        Raises:
            DeploymentError: the identity has another node key here, or the node key another identity, or the node key
                was revoked; or the file is damaged.
            OSError: it cannot be written.
        """
        ((entry, is_new),) = self.enrol_all([card])
        return entry, is_new

    def enrol_all(self, cards: Sequence[DeviceCard]) -> list[tuple[EnrolledDevice, bool]]:
        """As `enrol`, of many at once: all, or none where one is refused. The file is written once.

        Raises:
            DeploymentError, OSError: as `enrol`.
        """
        with self._changing() as devices:
            return [self._entry(card, devices) for card in cards]

    def _entry(self, card: DeviceCard, devices: list[EnrolledDevice]) -> tuple[EnrolledDevice, bool]:
        for one in devices:
            if one.card == card and one.revoked is None:
                return one, False
            if one.card.node_key == card.node_key and one.revoked is not None:
                raise DeploymentError(
                    f"device {one.number} was revoked on {one.revoked[:10]}, and its node key with it: let the "
                    "device make a new one (delete its node.key, and show its card again)"
                )
            same = {"identity": one.card.identity == card.identity, "node key": one.card.node_key == card.node_key}
            for what, is_same in same.items():
                if is_same and one.revoked is None:
                    raise DeploymentError(
                        f"device {one.number} has this {what} with another key beside it: revoke it first"
                    )
        number = max((one.number + 1 for one in devices), default=self._first_number)
        new = EnrolledDevice(number=number, card=card, enrolled=self._now().isoformat(timespec="seconds"))
        devices.append(new)
        return new, True

    def revoke(self, number: int) -> EnrolledDevice:
        """Takes a device's entry out of use; again changes nothing. Raises: DeploymentError: no such device."""
        with self._changing() as devices:
            for place, one in enumerate(devices):
                if one.number == number:
                    if one.revoked is None:
                        one = devices[place] = replace(one, revoked=self._now().isoformat(timespec="seconds"))
                    return one
        raise DeploymentError(f"there is no device {number}")

    def find(self, text: str) -> EnrolledDevice:
        """The device of a number, an identity, or the beginning of one; of an identity's, the one that is not revoked.

        Raises:
            DeploymentError: none, or several.
        """
        found = [
            one
            for one in self.every()
            if text == str(one.number) or (len(text) >= 8 and one.card.identity.startswith(text))
        ]
        if len(found) > 1:
            found = [one for one in found if one.revoked is None]
        if len(found) != 1:
            raise DeploymentError(f"{'no device is' if not found else 'several devices are'} known by {text!r}")
        return found[0]

    @contextmanager
    def telling(self) -> Iterator[tuple[EnrolledDevice, ...]]:
        """All devices, to be told to SuperLink before anyone else tells it: who comes last tells what stands.

        Raises:
            DeploymentError: the file is damaged.
        """
        with FileLock(self._path.with_suffix(".telling.lock"), mode=0o600):
            yield self.every()

    @contextmanager
    def _changing(self) -> Iterator[list[EnrolledDevice]]:
        with FileLock(self._path.with_suffix(".lock"), mode=0o600):
            before = self.every()
            devices = list(before)
            yield devices
            if tuple(devices) != before:
                values = [
                    {
                        "number": one.number,
                        "identity": one.card.identity,
                        "node_key": one.card.node_key,
                        "enrolled": one.enrolled,
                        "revoked": one.revoked,
                    }
                    for one in devices
                ]
                write_private(self._path, [json.dumps({"format": _FORMAT, "devices": values}, indent=1).encode()])


def read_card(path: Path) -> DeviceCard:
    """A card's file. Raises: DeploymentError: not a card, or it cannot be read."""
    try:
        with path.open("rb") as file:
            return DeviceCard.from_json(file.read(8192))
    except CardError as error:
        raise DeploymentError(f"{path}: {error}") from None
    except OSError as error:
        raise DeploymentError(f"cannot read {path}: {error.strerror}") from None
