"""A population of real people: pairs that were recorded, held in memory, a device for each person.

`group` is what a pair is about (a question, a task). Whoever learned from a question has seen its answers, whichever
user asked it, so a split must keep users apart AND groups apart: `simulations.evaluation.cross_validation`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from shared.conversation import PreferencePair


@dataclass(frozen=True, kw_only=True)
class RecordedPair:
    """A pair with whose it is and what it is about."""

    user_id: str
    group: str
    pair: PreferencePair


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a loader found and what it did not use, so that nothing disappears unsaid.

    Attributes:
        users, groups, pairs: in the population; users without pairs included.
        users_without_pairs: devices that have nothing to train on.
        left_out: reason → how many records were not made into pairs for it. May be zero.
        read: what was counted in the source → how many.
    """

    users: int
    groups: int
    pairs: int
    users_without_pairs: int
    left_out: Mapping[str, int]
    read: Mapping[str, int]

    def to_json(self) -> dict[str, object]:
        """As `summary.json` keeps it."""
        return {
            "users": self.users,
            "groups": self.groups,
            "pairs": self.pairs,
            "users_without_pairs": self.users_without_pairs,
            "left_out": dict(self.left_out),
            "read": dict(self.read),
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class RecordedPopulation:
    """Implements `simulations.population.protocol.Population`; picklable.

    Attributes:
        name: the data source.
        user_ids: one device each, in this order; a user without pairs is a device too.
        devices: (users,) each device's pairs, in the order of the source.
        left_out, read: see `LoadReport`.
    """

    name: str
    user_ids: tuple[str, ...]
    devices: tuple[tuple[RecordedPair, ...], ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.user_ids)) != len(self.user_ids) or len(self.devices) != len(self.user_ids):
            raise ValueError("a recorded population needs distinct users and one list of pairs for each")
        for user_id, recorded in zip(self.user_ids, self.devices, strict=True):
            if any(entry.user_id != user_id for entry in recorded):
                raise ValueError("a recorded pair stands with another user's device")

    def __repr__(self) -> str:
        return f"RecordedPopulation({self.name!r}, {len(self)} users, {len(self.recorded_pairs())} pairs)"

    def __len__(self) -> int:
        return len(self.user_ids)

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The pairs of device `index`, 0 ≤ index < len(self). May be empty.

        Raises:
            IndexError: there is no such device.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"device {index} of {len(self)}")
        return tuple(entry.pair for entry in self.devices[index])

    def recorded_pairs(self) -> tuple[RecordedPair, ...]:
        """Every pair, device after device."""
        return tuple(entry for recorded in self.devices for entry in recorded)

    def groups(self) -> tuple[str, ...]:
        """What its pairs are about, sorted."""
        return tuple(sorted({entry.group for entry in self.recorded_pairs()}))

    def subset(
        self, *, users: Collection[str] | None = None, groups: Collection[str] | None = None
    ) -> RecordedPopulation:
        """The devices of `users` with their pairs about `groups`; None is all of them.

        A device left without pairs stays a device. The loader's counts describe the source, so they stay behind.

        Raises:
            ValueError: a user that this population does not have.
        """
        kept = self.user_ids if users is None else tuple(user for user in self.user_ids if user in users)
        if users is not None and len(kept) != len(set(users)):
            raise ValueError("a subset names users that the population does not have")
        by_user = dict(zip(self.user_ids, self.devices, strict=True))
        return replace(
            self,
            user_ids=kept,
            devices=tuple(
                tuple(entry for entry in by_user[user] if groups is None or entry.group in groups) for user in kept
            ),
            left_out={},
            read={},
        )

    def load_report(self) -> LoadReport:
        """Counts of what was loaded and what was not."""
        return LoadReport(
            users=len(self),
            groups=len(self.groups()),
            pairs=len(self.recorded_pairs()),
            users_without_pairs=sum(not recorded for recorded in self.devices),
            left_out=self.left_out,
            read=self.read,
        )


def group_by_user(
    name: str,
    recorded: Iterable[RecordedPair],
    *,
    users_without_pairs: Iterable[str] = (),
    left_out: Mapping[str, int] | None = None,
    read: Mapping[str, int] | None = None,
) -> RecordedPopulation:
    """A population from pairs in any order: users sorted by id, each user's pairs in the order given."""
    by_user: dict[str, list[RecordedPair]] = {user: [] for user in users_without_pairs}
    for entry in recorded:
        by_user.setdefault(entry.user_id, []).append(entry)
    users = tuple(sorted(by_user))
    return RecordedPopulation(
        name=name,
        user_ids=users,
        devices=tuple(tuple(by_user[user]) for user in users),
        left_out=dict(left_out or {}),
        read=dict(read or {}),
    )
