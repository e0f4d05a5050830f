"""Which devices are asked in a round, by the plan's sampling. A cohort is device numbers, ascending."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from flwr.serverapp.exception import PrivacyBudgetExhausted
from numpy.typing import NDArray

from server.roster import Roster, RosterError, stream
from shared.privacy.noise import AesCtrNoise, NoiseSource
from shared.round_plan import FederationPlan


class Cohorts(Protocol):
    """Draws cohorts."""

    def draw(self, roster: Roster, *, round_number: int, attempt: int, place: int) -> list[int]:
        """The devices to ask.

        Args:
            roster: who can be asked.
            place: how many different requests to cohorts were made before this one (`server.ledger`).

        Raises:
            PrivacyBudgetExhausted: some device would be asked more often than it may be.
        """
        ...


class RandomCohorts:
    """n devices without replacement, by a seed that all the engines share; all of them where there are fewer."""

    def __init__(self, plan: FederationPlan, devices: Sequence[int] | None = None) -> None:
        """Args:
        devices: to draw from, whoever of them is there; None draws from those that are.
        """
        self._plan = plan
        self._devices = devices

    def draw(self, roster: Roster, *, round_number: int, attempt: int, place: int) -> list[int]:  # noqa: ARG002
        """See `Cohorts`."""
        size, devices = self._plan.cohort_size, roster.devices
        if self._devices is not None:
            size, devices = min(size, self._plan.devices), self._devices
        if size >= len(devices):
            return list(devices)
        generator = stream(f"cohort/{self._plan.seed}/{round_number}/{attempt}")
        return sorted(devices[int(place)] for place in generator.choice(len(devices), size=size, replace=False))


class ScheduledCohorts:
    """A walk round and round a random order of the devices that began the run, n at a time.

    Request k (from 0) asks the places k n to k n + n - 1, modulo N. After K requests nobody was asked more than
    ceil(K n / N) times, and the requests that ask a device are at least floor(N / n) apart. A device that has gone is
    asked by no one in its place.
    """

    def __init__(self, plan: FederationPlan, devices: Sequence[int]) -> None:
        """Args:
            devices: numbers of those that began the run.

        Raises:
            RosterError: the plan's rounds would ask a device too often, or too soon again.
        """
        self._plan = plan
        self._devices = devices
        self._order = stream(f"schedule/{plan.seed}").permutation(len(devices))
        size, there, user = plan.cohort_size, len(devices), plan.user_privacy
        if size > there:
            raise RosterError(f"a schedule needs cohorts of {size} different devices, and there are {there}")
        if user is not None:
            wanted = -(-plan.rounds * size // user.participations)
            if there < wanted:
                raise RosterError(
                    f"{plan.rounds} rounds of {size} devices, each in at most {user.participations} of them, need "
                    f"{wanted} devices, and there are {there}: fewer rounds (federation.rounds), smaller cohorts "
                    "(federation.cohort-size), or more user-privacy.participations"
                )
            if there // size < user.separation and plan.rounds * size > there:
                raise RosterError(
                    f"{there} devices in cohorts of {size} are asked again after {there // size} rounds, and the plan "
                    f"keeps them {user.separation} apart (user-privacy.separation)"
                )

    def draw(self, roster: Roster, *, round_number: int, attempt: int, place: int) -> list[int]:  # noqa: ARG002
        """See `Cohorts`."""
        size, there, user = self._plan.cohort_size, len(self._devices), self._plan.user_privacy
        if user is not None and self.most_participations(place + 1) > user.participations:
            raise PrivacyBudgetExhausted(
                f"round {round_number}: every device may take part {user.participations} times, and the rounds that "
                "were asked again have used that up. The rounds before it are released"
            )
        walked = self._order[np.arange(place * size, (place + 1) * size) % there]
        return sorted(self._devices[int(where)] for where in walked)

    def most_participations(self, requests: int) -> int:
        """How often the device that was asked most was asked, after so many requests."""
        return -(-requests * self._plan.cohort_size // len(self._devices))


class PoissonCohorts:
    """Every device by itself with probability n / N, from secret randomness; cut at random to the plan's limit.

    A device that was drawn as often as it may take part is not asked again, as it would decline; the chance of that is
    accounted for (`shared.privacy.user_level`). A round asked again after the server was killed must ask the same
    devices: the draw hangs on a key that the server keeps while the run lasts.
    """

    def __init__(self, plan: FederationPlan, devices: Sequence[int], key: bytes) -> None:
        """Args:
        devices: numbers of those that began the run.
        key: 32 secret bytes of this run.
        """
        self._plan = plan
        self._devices = devices
        self._key = key
        self._asked = np.zeros(len(devices), dtype=np.int64)
        self._counted = 0  # rounds in `_asked`

    def draw(self, roster: Roster, *, round_number: int, attempt: int, place: int) -> list[int]:  # noqa: ARG002
        """See `Cohorts`."""
        if self._counted >= round_number:
            self._asked[:], self._counted = 0, 0
        while self._counted < round_number - 1:  # such a plan asks every round once
            self._counted += 1
            self._asked[self._admitted(self._counted)] += 1
        return [self._devices[int(where)] for where in self._admitted(round_number)]

    def _admitted(self, round_number: int) -> NDArray[np.int64]:
        """Places of the devices that are drawn and may still take part, given the rounds counted."""
        drawn, user = self._sample(round_number), self._plan.user_privacy
        return drawn if user is None else drawn[self._asked[drawn] < user.participations]

    def _sample(self, round_number: int) -> NDArray[np.int64]:
        """Places of the devices that are drawn, whatever they were asked before."""
        source: NoiseSource = AesCtrNoise.for_release(self._key, f"cohort/{round_number}".encode())
        there, user = len(self._devices), self._plan.user_privacy
        drawn = np.flatnonzero(source.uniform(there) < self._plan.cohort_size / self._plan.devices)
        limit = user.cohort_limit if user is not None else None
        if limit is not None and len(drawn) > limit:
            drawn = np.sort(drawn[np.argsort(source.uniform(len(drawn)))[:limit]])
        return drawn


def new_cohort_key() -> bytes:
    """The secret of a run's Poisson cohorts."""
    return secrets.token_bytes(32)
