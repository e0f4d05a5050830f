"""Every message between server and devices, as the bytes that Flower puts on a wire.

What records stands between the two in the inline engine (`run_inline(tamper=...)`), and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from flwr.app import ArrayRecord, RecordDict

from shared.messages import TRAIN
from simulations.engines.inline import FIRST_NODE
from simulations.engines.wire import Packet, unpack
from simulations.engines.workers import Handle

Direction = Literal["down", "up"]


@dataclass(frozen=True, kw_only=True, repr=False)
class Field:
    """One value of a message's content.

    Attributes:
        name: record and key.
        kind: its type, with the shape of an array.
        size: bytes of it; of numbers and texts, of their text.
    """

    name: str
    kind: str
    size: int


@dataclass(frozen=True, kw_only=True, repr=False)
class Recorded:
    """Attributes:
    direction: "down" to a device, or "up" from it.
    stage: "roll call", "train", or a stage of secure aggregation: of a reply, that of its request.
    device: number.
    round_number: 0 where the message names none.
    packet: its bytes.
    content: as parsed.
    seconds: until the device had replied; 0 of what goes down.
    """

    direction: Direction
    stage: str
    device: int
    round_number: int
    packet: Packet
    content: RecordDict
    seconds: float = 0.0

    @property
    def wire(self) -> bytes:
        """All of its bytes, in one row."""
        return b"".join(self.packet.objects[name] for name in sorted(self.packet.objects))

    def fields(self) -> Iterator[Field]:
        """Of its content."""
        for record, values in self.content.items():
            for key, value in values.items():
                name = f"{record}.{key}"
                if isinstance(values, ArrayRecord):
                    array = values[key]
                    yield Field(name=name, kind=f"{array.dtype}{list(array.shape)}", size=len(array.data))
                else:
                    said = value if isinstance(value, bytes) else str(value).encode()
                    yield Field(name=name, kind=type(value).__name__, size=len(said))

    def body(self) -> bytes:
        """What a stage's reply holds. Raises: KeyError: it is no such reply."""
        found = self.content["stage-reply"]["body"]
        if not isinstance(found, bytes):
            raise KeyError("body")
        return found


@dataclass(kw_only=True, repr=False)
class Transcript:
    """Attributes:
    messages: in the order in which they passed.
    """

    messages: list[Recorded] = field(default_factory=list)

    def record(self, open_client: Callable[[], Handle]) -> Callable[[], Handle]:
        """For `run_inline(tamper=...)`, without workers: what it opens writes into this transcript."""

        def opened() -> Handle:
            client = open_client()

            def handle(packet: Packet) -> Packet:
                request = unpack(packet)
                device = request.metadata.dst_node_id - FIRST_NODE
                stage, number = _stage_of(request.metadata.message_type, request.content)
                self.messages.append(
                    Recorded(
                        direction="down", stage=stage, device=device, round_number=number, packet=packet,
                        content=request.content,
                    )
                )  # fmt: skip
                began = time.perf_counter()
                answered = client(packet)
                seconds = time.perf_counter() - began
                reply = unpack(answered)
                content = RecordDict() if reply.has_error() else reply.content
                self.messages.append(
                    Recorded(
                        direction="up", stage=stage, device=device, round_number=number, packet=answered,
                        content=content, seconds=seconds,
                    )
                )  # fmt: skip
                return answered

            return handle

        return opened

    def of(self, direction: Direction, stage: str, round_number: int) -> list[Recorded]:
        """Messages of one kind and round."""
        return [
            one
            for one in self.messages
            if (one.direction, one.stage, one.round_number) == (direction, stage, round_number)
        ]


def _stage_of(message_type: str, content: RecordDict) -> tuple[str, int]:
    if message_type == TRAIN:
        return "train", int(str(content["request"]["round"]))
    if "stage" in content:
        return str(content["stage"]["stage"]), int(str(content["stage"]["round"]))
    return "roll call", 0
