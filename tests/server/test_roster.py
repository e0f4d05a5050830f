from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from flwr.app import Message
from flwr.app.error import Error
from flwr.common.constant import ErrorCode

from server.cohorts import RandomCohorts
from server.exchange import KnownDevices
from server.roster import RosterError, call_roll
from shared.messages import RollCallReply
from shared.round_plan import FederationPlan
from simulations.engines.inline import InlineGrid
from tests.server.grids import RollCallGrid, ScriptedGrid


def test_a_million_known_devices_need_no_roll_call() -> None:
    grid = InlineGrid(lambda: lambda packet: packet, devices=1_000_000)
    assert isinstance(grid, KnownDevices)

    roster = call_roll(grid, devices=1_000_000, timeout=0.0)

    cohort = RandomCohorts(FederationPlan(cohort_size=50)).draw(roster, round_number=1, attempt=1, place=0)
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


def test_a_device_that_claims_anothers_number_takes_nothing_where_the_server_knows_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    enrolled = {101: 0, 102: 1, 666: 3}
    both = RollCallGrid({101: 0, 102: 1, 666: 1})
    away = RollCallGrid({101: 0, 666: 1})
    unknown = RollCallGrid({101: 0, 777: 1})

    assert call_roll(both, devices=2, timeout=5.0, numbers=lambda: enrolled).nodes == {0: 101, 1: 102}
    assert "2 devices answered the roll call; 1 more: has another number than it says" in caplog.text
    assert "666" not in caplog.text
    for grid in (away, unknown):
        with pytest.raises(RosterError, match=r"1 of the 2 .*; 1 more: has another number than it says"):
            call_roll(grid, devices=2, timeout=0.5, numbers=lambda: enrolled)


def test_a_device_enrolled_while_others_are_waited_for_is_known() -> None:
    grid = RollCallGrid({11: 0, 12: 1}, appearing={12: 3})
    enrolled = {11: 0}

    def numbers() -> dict[int, int]:
        known = dict(enrolled)
        enrolled[12] = 1
        return known

    assert list(call_roll(grid, devices=2, timeout=5.0, numbers=numbers).devices) == [0, 1]


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


def test_who_declines_the_code_is_counted_with_the_reason() -> None:
    def answer(message: Message) -> Message:
        if message.metadata.dst_node_id == 11:
            return Message(Error(code=ErrorCode.INVALID_FAB, reason="its own words"), reply_to=message)
        return Message(RollCallReply(device=1).to_record(), reply_to=message)

    grid = ScriptedGrid(answer, [11, 12])

    with pytest.raises(RosterError, match=r"1 of the 2 .*; 1 more: declines to run this server's code") as said:
        call_roll(grid, devices=2, timeout=0.5)

    assert "its own words" not in str(said.value)
    assert len(grid.sent) == 2


@pytest.mark.parametrize("said", [None, ErrorCode.MESSAGE_UNAVAILABLE])
def test_a_question_or_answer_that_was_lost_is_asked_for_again(
    said: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.roster._AGAIN", 0.3)
    lost = True

    def answer(message: Message) -> Message | None:
        nonlocal lost
        if lost:
            lost = False
            return None if said is None else Message(Error(code=said, reason="gone"), reply_to=message)
        return Message(RollCallReply(device=0).to_record(), reply_to=message)

    class Forgetful(ScriptedGrid):
        def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
            found = list(super().pull_messages(message_ids))
            self._waiting.clear()
            return found

    assert list(call_roll(Forgetful(answer, [11]), devices=1, timeout=10.0).devices) == [0]


def test_who_comes_after_a_silent_node_is_asked_too() -> None:
    grid = RollCallGrid({11: 0, 12: 1}, appearing={12: 2})
    honest = grid._answer
    grid._answer = lambda message: None if message.metadata.dst_node_id == 11 else honest(message)

    assert list(call_roll(grid, devices=1, timeout=30.0).devices) == [1]
