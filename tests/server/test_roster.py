from __future__ import annotations

import time

import pytest
from flwr.app import Message

from server.exchange import KnownDevices
from server.roster import Roster, RosterError, call_roll
from shared.messages import RollCallReply
from simulations.engines.inline import InlineGrid
from tests.server.grids import RollCallGrid, ScriptedGrid


def test_cohorts_are_drawn_by_number_and_seed() -> None:
    roster = Roster(devices=range(100), nodes=range(1000, 1100))
    first = roster.cohort(10, seed=0, round_number=1, attempt=1)

    assert first == Roster(devices=range(100), nodes=range(5000, 5100)).cohort(10, seed=0, round_number=1, attempt=1)
    assert first == sorted(set(first))
    assert len(first) == 10
    others = [
        roster.cohort(10, seed=1, round_number=1, attempt=1),
        roster.cohort(10, seed=0, round_number=2, attempt=1),
        roster.cohort(10, seed=0, round_number=1, attempt=2),
    ]
    assert first not in others
    assert roster.cohort(200, seed=0, round_number=1, attempt=1) == list(range(100))


def test_every_device_is_as_likely_as_any_other() -> None:
    roster = Roster(devices=range(20), nodes=range(20))
    counts = [0] * 20
    for number in range(1, 2001):
        for device in roster.cohort(5, seed=3, round_number=number, attempt=1):
            counts[device] += 1

    assert max(abs(count - 500) for count in counts) < 5 * (2000 * 0.25 * 0.75) ** 0.5


def test_a_million_known_devices_need_no_roll_call() -> None:
    grid = InlineGrid(lambda: lambda packet: packet, devices=1_000_000)
    assert isinstance(grid, KnownDevices)

    roster = call_roll(grid, devices=1_000_000, timeout=0.0)

    cohort = roster.cohort(50, seed=0, round_number=1, attempt=1)
    assert len(cohort) == 50
    assert roster.node(cohort[0]) == cohort[0] + 2
    with pytest.raises(RosterError, match="1000000"):
        call_roll(grid, devices=1_000_001, timeout=0.0)


def test_a_roll_call_maps_numbers_to_nodes() -> None:
    grid = RollCallGrid({11: 2, 12: 0, 13: 1})

    roster = call_roll(grid, devices=3, timeout=5.0)

    assert [roster.node(device) for device in roster.devices] == [12, 13, 11]


def test_a_number_claimed_twice_belongs_to_nobody() -> None:
    grid = RollCallGrid({11: 0, 12: 0, 13: 1})

    assert list(call_roll(grid, devices=1, timeout=5.0).devices) == [1]
    with pytest.raises(RosterError, match="1 of the 2"):
        call_roll(grid, devices=2, timeout=0.5)


def test_devices_that_come_late_are_waited_for() -> None:
    grid = RollCallGrid({11: 0, 12: 1}, appearing={12: 2})

    assert list(call_roll(grid, devices=2, timeout=5.0).devices) == [0, 1]


def test_a_silent_node_delays_nobody() -> None:
    def answer(message: Message) -> Message | None:
        node = message.metadata.dst_node_id
        return None if node == 10 else Message(RollCallReply(device=node).to_record(), reply_to=message)

    grid = ScriptedGrid(answer, [10, 11, 12])
    began = time.monotonic()

    roster = call_roll(grid, devices=2, timeout=30.0)

    assert list(roster.devices) == [11, 12]
    assert time.monotonic() - began < 10.0


def test_who_comes_after_a_silent_node_is_asked_too() -> None:
    grid = RollCallGrid({11: 0, 12: 1}, appearing={12: 2})
    honest = grid._answer
    grid._answer = lambda message: None if message.metadata.dst_node_id == 11 else honest(message)

    assert list(call_roll(grid, devices=1, timeout=30.0).devices) == [1]
