from __future__ import annotations

import pytest
from flwr.app import Message, RecordDict
from flwr.supercore.run import Run

from server.exchange import exchange
from server.many_links import ManyLinks
from shared.messages import RollCallReply
from tests.server.grids import ScriptedGrid


class _Link(ScriptedGrid):
    """A SuperLink's grid with its own id for the run, which takes no message of another's."""

    def __init__(self, run: int, numbers: dict[int, int]) -> None:
        super().__init__(
            lambda message: Message(
                RollCallReply(device=numbers[message.metadata.dst_node_id]).to_record(), reply_to=message
            ),
            numbers,
        )
        self._run = run

    @property
    def run(self) -> Run:
        return Run.create_empty(self._run)

    def push_messages(self, messages):  # type: ignore[no-untyped-def]
        for identity, message in zip(super().push_messages(messages), messages, strict=True):
            # As Flower does: an id hangs on what the message says, so on its run.
            message.metadata.__dict__["_message_id"] = named = f"{self._run}/{identity}"
            self._waiting[named] = self._waiting.pop(identity)
            yield named


def _asked(*nodes: int) -> list[Message]:
    return [Message(RecordDict(), node, "query.roll_call", ttl=10.0) for node in nodes]


def test_messages_reach_the_link_of_their_node_under_its_own_run_and_replies_come_back_in_order() -> None:
    east, west = _Link(7, {20: 0, 21: 1}), _Link(8, {30: 2})
    with ManyLinks([east, west]) as grid:
        assert sorted(grid.get_node_ids()) == [20, 21, 30]
        messages = _asked(30, 20, 99, 21)
        replies = exchange(grid, messages, timeout=0.3)

    assert [None if one is None else RollCallReply.from_record(one.content).device for one in replies] == [
        2,
        0,
        None,
        1,
    ]
    assert [[one.metadata.dst_node_id for one in link.sent] for link in (east, west)] == [[20, 21], [30]]
    assert [{one.metadata.run_id for one in link.sent} for link in (east, west)] == [{7}, {8}]
    assert [{name[0] for pull in link.pulls for name in pull} for link in (east, west)] == [{"7"}, {"8"}]


def test_a_node_that_two_links_name_belongs_to_neither() -> None:
    east, west = _Link(7, {20: 0, 21: 1}), _Link(8, {21: 2, 30: 3})
    with ManyLinks([east, west]) as grid:
        assert sorted(grid.get_node_ids()) == [20, 30]
        assert list(grid.push_messages(_asked(21))) == [""]


def test_what_a_link_raises_is_raised_once_the_others_have_ended() -> None:
    class Dead(_Link):
        def pull_messages(self, message_ids):  # type: ignore[no-untyped-def]
            raise ConnectionError("gone")

    east, west = Dead(7, {20: 0}), _Link(8, {30: 3})
    with ManyLinks([east, west]) as grid:
        grid.get_node_ids()
        pushed = list(grid.push_messages(_asked(20, 30)))
        with pytest.raises(ConnectionError):
            grid.pull_messages(pushed)
        assert west.pulls == [[pushed[1]]]


def test_a_grid_over_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="needs one"):
        ManyLinks([])
