"""What everyone in a session must agree on, and the hash that binds every message to it.

A session is one cohort (or part of one) in one attempt of one round. Its context goes into every signature, key and
sealed share: who was told of another model, plan, cohort or modulus understands nobody.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LARGEST_COHORT = 1000


class TermsError(ValueError):
    """A session that must not be held: too few members, or a threshold that protects nobody."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A device in a session.

    Attributes:
        number: the device's.
        identity: its long-term Ed25519 public key, hex.
    """

    number: int
    identity: str


@dataclass(frozen=True, kw_only=True)
class SessionTerms:
    """See the module.

    Attributes:
        run, round_number, attempt, part: which session this is; part counts the parts of a cohort, from 0.
        plan: digest of the run's plan.
        model: digest of base model, adapter and the parameters that the round starts from.
        server: the server's public key, hex; "" if it signs nothing.
        members: the cohort, ascending by number.
        threshold: t, members without whom nothing is revealed at any stage; also the least there are in the sum.
        corrupt: m, members that may work for the server without anyone's secret being lost.
        dimension: d, of the masked vectors.
        bits: b, of the modulus.
    """

    run: str
    round_number: int
    attempt: int
    part: int
    plan: str
    model: str
    server: str
    members: tuple[Member, ...]
    threshold: int
    corrupt: int
    dimension: int
    bits: int

    def __post_init__(self) -> None:
        numbers = [member.number for member in self.members]
        if numbers != sorted(set(numbers)) or not numbers or numbers[0] < 0 or numbers[-1] >= 2**63:
            raise TermsError("members must be different devices in ascending order")
        if len({member.identity for member in self.members}) != len(numbers):
            raise TermsError("members must have different identities")
        if len(numbers) > LARGEST_COHORT:
            raise TermsError(f"a session has at most {LARGEST_COHORT} members: larger cohorts are cut into parts")
        # Bonawitz et al. (2017), theorem 6.5: two sets of t members share one that is honest, and the server's own
        # are fewer than t. And the sum hides one honest device only behind another.
        if 2 * self.threshold <= len(numbers) + self.corrupt or self.corrupt < 0:
            raise TermsError("the threshold is so low that a server could unmask single devices")
        if not self.corrupt + 2 <= self.threshold <= len(numbers):
            raise TermsError("a sum must hide each honest device behind another")
        if self.dimension < 1 or not 1 <= self.bits <= 32:
            raise TermsError("a session sums vectors of some dimension, modulo 2^1 to 2^32")

    def to_json(self) -> dict[str, object]:
        """All of it, as JSON has it. By hand: `asdict` takes longer over a cohort than its keys take to derive."""
        members = [{"number": member.number, "identity": member.identity} for member in self.members]
        return {one.name: getattr(self, one.name) for one in fields(self)} | {"members": members}

    @cached_property
    def context(self) -> bytes:
        """SHA-256 over all of it."""
        return hashlib.sha256(b"tacit/secagg/1\0" + json.dumps(self.to_json(), sort_keys=True).encode()).digest()

    @cached_property
    def places(self) -> dict[int, int]:
        """Each member's place in the cohort, from 1: the point at which it holds shares."""
        return {member.number: place for place, member in enumerate(self.members, start=1)}

    @cached_property
    def identities(self) -> dict[int, bytes]:
        """Each member's public key."""
        return {member.number: bytes.fromhex(member.identity) for member in self.members}


def choose_threshold(members: int, *, dropout: float, corrupt: float) -> tuple[int, int]:
    """(t, m) of a cohort.

    Args:
        dropout: share of the cohort that may vanish, at whatever stage.
        corrupt: share of it that may work for the server.

    Raises:
        TermsError: that many cannot be spared in so small a cohort.
    """
    # A share like 0.1 is a little more or less than it looks. Who may be corrupt is rounded up, who may vanish down.
    spoilt = math.ceil(corrupt * members - 1e-9)
    threshold = members - math.floor(dropout * members + 1e-9)
    if 2 * threshold <= members + spoilt or threshold < spoilt + 2:
        raise TermsError(
            f"a cohort of {members} cannot do without {members - threshold} members and bear {spoilt} corrupt ones: "
            "larger cohorts, or tolerate fewer"
        )
    return threshold, spoilt


def cut_into_parts(devices: Sequence[int], *, part_size: int) -> list[tuple[int, ...]]:
    """A cohort as parts of nearly equal size, none above `part_size`; what is near stays together."""
    parts: list[tuple[int, ...]] = []
    start = 0
    for size, count in part_sizes(len(devices), part_size=part_size).items():
        for _ in range(count):
            parts.append(tuple(devices[start : start + size]))
            start += size
    return parts


def part_sizes(devices: int, *, part_size: int) -> dict[int, int]:
    """How many parts of which size a cohort is cut into, the larger first: one or two sizes, that differ by one."""
    count = -(-devices // part_size)
    if count == 0:
        return {}
    size, larger = divmod(devices, count)
    sizes = {size + 1: larger, size: count - larger}
    return {size: number for size, number in sizes.items() if number}


def model_digest(*, spec: str, base: str, vector: NDArray[np.float32]) -> str:
    """SHA-256 (hex) of what a round starts from: adapter, base model and the shared parameters."""
    return hashlib.sha256(f"{spec}\0{base}\0".encode() + vector.astype("<f4").tobytes()).hexdigest()
