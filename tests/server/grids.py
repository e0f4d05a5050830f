"""Grids whose devices do exactly as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count

from flwr.app import Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from shared.messages import RollCallReply

Answer = Callable[[Message], Message | None]


class ScriptedGrid(Grid):
    """Answers each message by a function; None is silence.

    Attributes:
        sent: every message pushed.
        pulls: ids asked for, pull by pull.
    """

    def __init__(self, answer: Answer, nodes: Iterable[int]) -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SUPERLINK_NODE_ID, 1
        self._answer = answer
        self._nodes = list(nodes)
        self._numbers = count(1)
        self._waiting: dict[str, Message] = {}
        self.sent: list[Message] = []
        self.pulls: list[list[str]] = []

    def set_run(self, run: Run) -> None: ...

    @property
    def run(self) -> Run:
        return Run.create_empty(1)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return list(self._nodes)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        for message in messages:
            message.metadata.__dict__["_message_id"] = f"m{next(self._numbers)}"
            self.sent.append(message)
            self._waiting[message.metadata.message_id] = message
            yield message.metadata.message_id

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        asked = list(message_ids)
        self.pulls.append(asked)
        for identity in asked:
            reply = self._answer(self._waiting[identity]) if identity in self._waiting else None
            if reply is not None:
                del self._waiting[identity]
                yield reply

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        raise NotImplementedError


class RollCallGrid(ScriptedGrid):
    """Nodes that know their number; some appear only after a few looks."""

    def __init__(self, numbers: Mapping[int, int], *, appearing: Mapping[int, int] | None = None) -> None:
        def answer(message: Message) -> Message:
            number = numbers[message.metadata.dst_node_id]
            return Message(RollCallReply(device=number).to_record(), reply_to=message)

        super().__init__(answer, numbers)
        self._appearing = dict(appearing or {})
        self._looks = 0

    def get_node_ids(self) -> Iterable[int]:
        self._looks += 1
        return [node for node in self._nodes if self._appearing.get(node, 0) < self._looks]
