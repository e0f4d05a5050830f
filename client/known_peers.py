"""Whom this device aggregates with: who enrols cohorts, and the identities it has met, which do not change in silence.

    {"organiser": "<64 hex digits>", "federation": ..., "version": 3, "peers": {"17": ["<identity>", 3]}}

The organiser is the one that the policy names, or, where it says "first-use", the first that was met. A roster older
than one that was seen is refused, and so is a device whose identity changed without a newer roster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from client.device import DeclinedError
from shared.private_files import write_private
from shared.secagg.enrolment import CohortRoster, EnrolmentError

PEERS_FILE = "peers.json"
FIRST_USE = "first-use"


@dataclass(kw_only=True)
class _Seen:
    organiser: str = ""
    federation: str = ""
    version: int = 0
    peers: dict[int, tuple[str, int]] = field(default_factory=dict)


class KnownPeers:
    """What one device remembers of others, in its state directory."""

    def __init__(self, state_directory: Path) -> None:
        self._file = state_directory / PEERS_FILE

    def check(self, cohort: CohortRoster, *, organiser: str) -> None:
        """Whether a cohort is who it should be.

        Args:
            organiser: public key that the policy names, or "first-use".

        Raises:
            DeclinedError: it is not, or what is remembered cannot be read.
        """
        self._check_pins(self._read(), cohort, organiser)
        try:
            cohort.check()
        except EnrolmentError as error:
            raise DeclinedError(str(error)) from None

    def _check_pins(self, seen: _Seen, cohort: CohortRoster, organiser: str) -> None:
        name = cohort.name
        wanted = seen.organiser or name.organiser if organiser == FIRST_USE else organiser
        if name.organiser != wanted:
            raise DeclinedError("the cohort was enrolled by another organiser than this device trusts")
        if seen.organiser == name.organiser:
            if name.federation != seen.federation:
                raise DeclinedError("the organiser's roster is of another federation than before")
            if name.version < seen.version:
                raise DeclinedError(f"the roster is of version {name.version}, and version {seen.version} was seen")
        for member in cohort.members:
            identity, version = seen.peers.get(member.number, (member.identity, 0))
            if identity != member.identity and name.version <= version:
                raise DeclinedError(
                    f"device {member.number} has another identity than before, in a roster that is no newer"
                )

    def remember(self, cohort: CohortRoster, *, organiser: str) -> None:
        """Pins a cohort that was checked, if it still is what it should be: others may have been pinned since.

        Raises:
            DeclinedError: it is not, or it cannot be kept.
        """
        seen, name = self._read(), cohort.name
        self._check_pins(seen, cohort, organiser)
        seen.organiser, seen.federation, seen.version = name.organiser, name.federation, name.version
        for member in cohort.members:
            seen.peers[member.number] = (member.identity, name.version)
        said = {
            "organiser": seen.organiser,
            "federation": seen.federation,
            "version": seen.version,
            "peers": {str(number): list(pin) for number, pin in sorted(seen.peers.items())},
        }
        try:
            write_private(self._file, [json.dumps(said).encode() + b"\n"])
        except OSError as error:
            raise DeclinedError(f"the cohort cannot be remembered ({type(error).__name__})") from None

    def _read(self) -> _Seen:
        if not self._file.exists():
            return _Seen()
        try:
            said = json.loads(self._file.read_text(encoding="utf-8"))
            return _Seen(
                organiser=str(said["organiser"]),
                federation=str(said["federation"]),
                version=int(said["version"]),
                peers={int(number): (str(pin[0]), int(pin[1])) for number, pin in said["peers"].items()},
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise DeclinedError(
                f"{self._file} is damaged: this device cannot tell whether its peers are who they were"
            ) from None
