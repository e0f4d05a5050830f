"""Sessions of secure aggregation in memory: members, what they say, and a server that passes it on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from shared.secagg.device_session import DeviceSession
from shared.secagg.modulus import to_modulus
from shared.secagg.server_session import ServerSession
from shared.secagg.session_terms import Member, SessionTerms

STAGES = ("advertise", "share", "mask", "confirm", "reveal")
Tamper = Callable[[str, int, bytes], bytes]


def identity(number: int) -> Ed25519PrivateKey:
    """A device's long-term key, always the same."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def public(number: int) -> str:
    """Its public half, hex."""
    return identity(number).public_key().public_bytes_raw().hex()


def terms(
    numbers: Sequence[int] = (1, 4, 5, 9), *, threshold: int = 3, corrupt: int = 0, dimension: int = 5, bits: int = 16
) -> SessionTerms:
    """Of a session between some devices."""
    return SessionTerms(
        run="0" * 32,
        round_number=2,
        attempt=1,
        part=0,
        plan="a plan's digest",
        model="a model's digest",
        server="",
        members=tuple(Member(number=number, identity=public(number)) for number in numbers),
        threshold=threshold,
        corrupt=corrupt,
        dimension=dimension,
        bits=bits,
    )


@dataclass
class Cohort:
    """The members of one session with their vectors, and all that ever went over the wire.

    Attributes:
        vanish: by stage, members that fall silent at it and stay so.
        to_device, to_server: change what travels; are told the stage and the member.
    """

    of: SessionTerms
    vanish: Mapping[str, set[int]] = field(default_factory=dict)
    to_device: Tamper = lambda _stage, _number, said: said
    to_server: Tamper = lambda _stage, _number, said: said
    transcript: list[tuple[str, int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        generator = np.random.default_rng(len(self.of.members))
        largest = 2 ** (self.of.bits - 1) // len(self.of.members) - 1
        self.vectors = {
            member.number: generator.integers(-largest, largest + 1, self.of.dimension) for member in self.of.members
        }
        self.sessions: dict[int, DeviceSession] = {}
        self.gone: set[int] = set()
        self.server = ServerSession(self.of)

    def ask(self, stage: str, asked: Mapping[int, bytes], answer: Callable[[int, bytes], bytes]) -> dict[int, bytes]:
        """What the members that are there say at a stage, by member."""
        self.gone |= self.vanish.get(stage, set())
        said: dict[int, bytes] = {}
        for number, request in asked.items():
            if number in self.gone:
                continue
            shown = self.to_device(stage, number, request)
            said[number] = self.to_server(stage, number, answer(number, shown))
            self.transcript += [(f"to {stage}", number, shown), (f"from {stage}", number, said[number])]
        return said

    def advertise(self, number: int, _: bytes) -> bytes:
        """Stage one of a member."""
        self.sessions[number], said = DeviceSession.begin(
            self.of, number=number, identity=identity(number), entropy=os.urandom
        )
        return said

    def mask(self, number: int, handed: bytes) -> bytes:
        """Stage three of a member."""
        return self.sessions[number].mask(handed, to_modulus(self.vectors[number], self.of.bits))

    def confirmed(self) -> dict[int, bytes]:
        """What is shown to members at the last stage: everything before it, done."""
        everyone = {member.number: b"" for member in self.of.members}
        keys = self.server.show_keys(self.ask("advertise", everyone, self.advertise))
        shares = self.ask("share", keys, lambda number, said: self.sessions[number].share(said, entropy=os.urandom))
        for number, masked in self.ask("mask", self.server.hand_shares(shares), self.mask).items():
            self.server.add(number, masked)
        survivors = self.server.survivors()
        confirmed = self.ask("confirm", survivors, lambda number, said: self.sessions[number].confirm(said))
        return self.server.show_confirmations(confirmed)

    def run(self) -> NDArray[np.int64]:
        """The sum."""
        shown = self.confirmed()
        return self.server.unmask(self.ask("reveal", shown, lambda number, said: self.sessions[number].reveal(said)))

    def expected(self) -> NDArray[np.int64]:
        """The sum of the vectors of those that were there when vectors were asked for."""
        lost = set().union(*(self.vanish.get(stage, set()) for stage in STAGES[:3]))
        total = sum(vector for number, vector in self.vectors.items() if number not in lost)
        return np.asarray(total, dtype=np.int64)


def changed(of: SessionTerms, **what: object) -> SessionTerms:
    """Other terms."""
    return replace(of, **what)  # type: ignore[arg-type]
