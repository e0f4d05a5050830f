"""Who may be in a cohort: devices that an organiser enrolled, whose key lives on another machine than the server.

The roster is signed entry by entry, so that a device that is shown its cohort alone can check every member of it: an
entry says which federation, which version of the roster, how many it enrols, which device, and its identity. The server
passes entries on and can make none. What this cannot do is tell people from Sybils: whoever is enrolled a thousand
times is a thousand devices, and the server, which picks cohorts, may put them all into one. So a session is worth
something while no more than its `corrupt` members are enrolled for the server in the whole roster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from shared.secagg.layouts import is_signed
from shared.secagg.session_terms import Member
from shared.signing_key import SigningKey

_DOMAIN = b"tacit/enrolment/1\0"
_HEX_KEY, _HEX_SIGNATURE = 64, 128


class EnrolmentError(ValueError):
    """A roster, or part of one, cannot be believed."""


@dataclass(frozen=True, kw_only=True)
class RosterName:
    """Which roster an entry is of.

    Attributes:
        federation: its name.
        version: counts up; devices refuse one below the highest they have seen.
        size: how many devices it enrols.
        organiser: public key that signed it, hex.
    """

    federation: str
    version: int
    size: int
    organiser: str

    def __post_init__(self) -> None:
        if not 1 <= self.version < 2**63 or not 0 <= self.size < 2**63 or len(self.federation) > 200:
            raise EnrolmentError("a roster has a version of at least 1, a size, and a name of at most 200 characters")
        _check_hex(self.organiser, _HEX_KEY)

    def statement(self, member: Member) -> bytes:
        """What the organiser signs of an entry."""
        said = [self.federation, self.version, self.size, self.organiser, member.number, member.identity]
        return _DOMAIN + json.dumps(said).encode()


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """An entry.

    Attributes:
        member: device and identity.
        signature: the organiser's, hex.
    """

    member: Member
    signature: str

    def __post_init__(self) -> None:
        if not 0 <= self.member.number < 2**63:
            raise EnrolmentError("a device's number is from 0 to 2^63 - 1")
        _check_hex(self.member.identity, _HEX_KEY)
        _check_hex(self.signature, _HEX_SIGNATURE)


@dataclass(frozen=True, kw_only=True)
class CohortRoster:
    """What a device is told of its cohort: part of a roster.

    Attributes:
        name: of the whole roster.
        part: which part of the cohort this is, from 0.
        entries: its members, ascending by number.
    """

    name: RosterName
    part: int
    entries: tuple[Enrolled, ...]

    @property
    def members(self) -> tuple[Member, ...]:
        """Its members."""
        return tuple(entry.member for entry in self.entries)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over all of it."""
        entries = [
            {"member": {"number": one.member.number, "identity": one.member.identity}, "signature": one.signature}
            for one in self.entries
        ]
        said = {"name": asdict(self.name), "part": self.part, "entries": entries}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def check(self) -> None:
        """Raises: EnrolmentError: an entry is not signed by the organiser, or they are more than the roster."""
        if len(self.entries) > self.name.size:
            raise EnrolmentError("the cohort is larger than the roster")
        organiser = bytes.fromhex(self.name.organiser)
        for entry in self.entries:
            if not is_signed(organiser, bytes.fromhex(entry.signature), self.name.statement(entry.member)):
                raise EnrolmentError("the cohort has a member that the organiser did not enrol")


@dataclass(frozen=True, kw_only=True, repr=False)
class Roster:
    """A whole roster, as the server has it.

    Attributes:
        name: see there.
        entries: by device number.
    """

    name: RosterName
    entries: Mapping[int, Enrolled]

    def cohort(self, devices: Sequence[int], *, part: int) -> CohortRoster:
        """What members of a part are told. Raises: EnrolmentError: a device is not enrolled."""
        missing = [device for device in devices if device not in self.entries]
        if missing:
            raise EnrolmentError(
                f"{len(missing)} devices that are asked are not in the roster (device {missing[0]} is the first): "
                "let the organiser enrol them, or leave them out"
            )
        return CohortRoster(
            name=self.name, part=part, entries=tuple(self.entries[device] for device in sorted(devices))
        )

    def to_json(self) -> str:
        """The roster file."""
        name = self.name
        return json.dumps(
            {
                "federation": name.federation,
                "version": name.version,
                "organiser": name.organiser,
                "devices": [
                    [number, entry.member.identity, entry.signature] for number, entry in sorted(self.entries.items())
                ],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Roster:
        """Raises: EnrolmentError: not a roster, or not signed by the organiser that it names."""
        try:
            said = json.loads(text)
            devices = said["devices"]
            name = RosterName(
                federation=str(said["federation"]),
                version=int(said["version"]),
                size=len(devices),
                organiser=str(said["organiser"]),
            )
            entries = tuple(
                Enrolled(member=Member(number=int(number), identity=str(identity)), signature=str(signature))
                for number, identity, signature in devices
            )
        except (ValueError, TypeError, KeyError, RecursionError):
            raise EnrolmentError("is not a roster: make one with `tacit-server organiser roster`") from None
        CohortRoster(name=name, part=0, entries=entries).check()
        return cls(name=name, entries={entry.member.number: entry for entry in entries})


def enrol(organiser: SigningKey, members: Iterable[Member], *, federation: str, version: int) -> Roster:
    """A signed roster.

    Raises:
        EnrolmentError: a device or an identity comes twice, or is none.
    """
    listed = sorted(members, key=lambda member: member.number)
    for values in ([member.number for member in listed], [member.identity for member in listed]):
        if len(set(values)) != len(values):
            raise EnrolmentError("a device or an identity is listed twice")
    name = RosterName(federation=federation, version=version, size=len(listed), organiser=organiser.public)
    return Roster(name=name, entries={member.number: sign_entry(organiser, name, member) for member in listed})


def sign_entry(organiser: SigningKey, name: RosterName, member: Member) -> Enrolled:
    """One entry. Raises: EnrolmentError: see `Enrolled`."""
    return Enrolled(member=member, signature=organiser.key.sign(name.statement(member)).hex())


def _check_hex(value: str, digits: int) -> None:
    if len(value) != digits or not set(value) <= set("0123456789abcdef"):
        raise EnrolmentError(f"a key or a signature is {digits} hex digits")
