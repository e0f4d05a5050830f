"""Who was asked in a round, and who of them has not answered yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flwr.app import Message

from shared.messages import TrainRequest


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Attributes:
    device: number.
    message: that it was asked with; it has an id once it was pushed.
    request: what it says.
    digest: of the request.
    """

    device: int
    message: Message
    request: TrainRequest
    digest: str


class Waiting:
    """Who was asked and has not answered, by message.

    Messages get their ids as they are pushed, in their order, which may go on while replies come.
    """

    def __init__(self, asked: Sequence[Asked]) -> None:
        self._rest = deque(asked)
        self._by_message: dict[str, Asked] = {}

    def pop(self, message: str) -> Asked | None:
        """Who was asked with it; None of a message that was answered before, or that nobody here was asked with."""
        while message not in self._by_message and self._rest and self._rest[0].message.metadata.message_id:
            asked = self._rest.popleft()
            self._by_message[asked.message.metadata.message_id] = asked
        return self._by_message.pop(message, None)

    def left(self) -> Iterator[Asked]:
        """Those who have not answered."""
        yield from (*self._by_message.values(), *self._rest)
