from __future__ import annotations

from flwr.app import ConfigRecord, Message, RecordDict

from server.exchange import exchange
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
