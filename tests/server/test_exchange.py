from __future__ import annotations

from collections.abc import Iterable

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.error import Error
from flwr.common.constant import ErrorCode

from server.exchange import exchange, exchange_each
from tests.server.grids import ScriptedGrid


def _messages(*nodes: int) -> list[Message]:
    return [Message(RecordDict(), node, "query", ttl=10) for node in nodes]


def _reply(message: Message, *, source: int | None = None) -> Message:
    reply = Message(RecordDict({"said": ConfigRecord({"node": message.metadata.dst_node_id})}), reply_to=message)
    if source is not None:
        reply.metadata.__dict__["_src_node_id"] = source
    return reply


def test_replies_are_matched_by_message_whoever_they_claim_to_be_from() -> None:
    grid = ScriptedGrid(lambda message: _reply(message, source=1), [5, 6, 7])

    replies = exchange(grid, _messages(5, 6, 7), timeout=1.0)

    assert [reply and reply.content["said"]["node"] for reply in replies] == [5, 6, 7]


def test_silence_ends_with_the_timeout() -> None:
    grid = ScriptedGrid(lambda message: None if message.metadata.dst_node_id == 6 else _reply(message), [5, 6])

    replies = exchange(grid, _messages(5, 6), timeout=0.3)

    assert replies[0] is not None
    assert replies[1] is None


def test_the_reply_of_a_node_that_is_offline_is_not_pulled() -> None:
    grid = ScriptedGrid(lambda message: None, [5])

    exchange(grid, _messages(5, 6), timeout=0.35)

    assert all(pull == ["m1"] for pull in grid.pulls)
    assert len(grid.pulls) > 1


def test_a_reply_to_something_never_asked_is_ignored() -> None:
    stranger = _messages(5)[0]
    stranger.metadata.__dict__["_message_id"] = "another run's"
    grid = ScriptedGrid(lambda message: _reply(stranger), [5])

    assert exchange(grid, _messages(5), timeout=0.2) == [None]


class _LosingGrid(ScriptedGrid):
    """Its SuperLink loses what it is told to, by which sending of a message it is."""

    def __init__(self, lost: set[int], nodes: list[int], *, says: int | None = None) -> None:
        super().__init__(self._said, nodes)
        self._lost, self._says = lost, says

    def _said(self, message: Message) -> Message | None:
        if int(message.metadata.message_id[1:]) not in self._lost:
            return _reply(message)
        return None if self._says is None else Message(Error(code=self._says, reason="gone"), reply_to=message)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.exchange._LEAST_PATIENCE", 0.05)


@pytest.mark.usefixtures("impatient")
def test_what_was_lost_on_its_way_is_asked_for_again_in_the_same_words() -> None:
    grid = _LosingGrid({1}, [5, 6])
    message, other = (Message(RecordDict({"words": ConfigRecord({"n": n})}), n, "query", ttl=10) for n in (5, 6))

    replies = exchange(grid, [message, other], timeout=4.0)

    assert [reply and reply.content["said"]["node"] for reply in replies] == [5, 6]
    assert [reply and reply.metadata.reply_to_message_id for reply in replies] == ["m1", "m2"]
    assert [sent.metadata.dst_node_id for sent in grid.sent] == [5, 6, 5]
    again = grid.sent[2]
    assert again.content["words"] == message.content["words"]
    assert (again.metadata.message_type, again.metadata.group_id) == ("query", message.metadata.group_id)
    assert again.metadata.message_id != message.metadata.message_id


@pytest.mark.usefixtures("impatient")
def test_a_message_is_sent_four_times_at_most() -> None:
    grid = _LosingGrid(set(range(1, 100)), [5])

    assert exchange(grid, _messages(5), timeout=1.0) == [None]
    assert len(grid.sent) == 4


@pytest.mark.parametrize("code", [ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.NODE_UNAVAILABLE])
def test_what_superlink_says_it_has_lost_is_asked_for_at_once(code: int) -> None:
    grid = _LosingGrid({1}, [5], says=code)

    (reply,) = exchange(grid, _messages(5), timeout=5.0)

    assert reply is not None
    assert not reply.has_error()
    assert len(grid.sent) == 2


def test_what_superlink_goes_on_losing_is_a_failure_after_all() -> None:
    grid = _LosingGrid(set(range(1, 100)), [5], says=ErrorCode.MESSAGE_UNAVAILABLE)

    (reply,) = exchange(grid, _messages(5), timeout=5.0)

    assert reply is not None
    assert reply.error.code == ErrorCode.MESSAGE_UNAVAILABLE
    assert len(grid.sent) == 4


def test_a_device_that_fails_is_not_asked_again() -> None:
    grid = _LosingGrid({1}, [5], says=ErrorCode.CLIENT_APP_RAISED_EXCEPTION)

    (reply,) = exchange(grid, _messages(5), timeout=5.0)

    assert reply is not None
    assert reply.has_error()
    assert len(grid.sent) == 1


@pytest.mark.usefixtures("impatient")
def test_a_late_reply_counts_though_it_was_asked_for_again_and_counts_once() -> None:
    class Slow(ScriptedGrid):
        def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
            return super().pull_messages(message_ids) if len(self.sent) > 2 else []

    grid = Slow(_reply, [5])

    found = list(exchange_each(grid, _messages(5), timeout=4.0))

    assert [index for index, _ in found] == [0]
    assert found[0][1].metadata.reply_to_message_id == grid.sent[0].metadata.message_id
    assert len(grid.sent) == 3


@pytest.mark.usefixtures("impatient")
def test_nothing_is_sent_again_to_a_node_that_is_offline() -> None:
    grid = ScriptedGrid(lambda message: None, [5])

    exchange(grid, _messages(6), timeout=0.5)

    assert len(grid.sent) == 1
