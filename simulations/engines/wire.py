"""Messages as the bytes that Flower puts on a wire, for engines that have none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flwr.app import Message
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A serialised message.

    Attributes:
        message_id: the one thing about a message that Flower does not serialise.
        root: object id of the message among `objects`.
        objects: Flower's content-addressed parts.
    """

    message_id: str
    root: str
    objects: dict[str, bytes]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.objects.values()))


def pack(message: Message) -> Packet:
    """Serialises a message as Flower's own grids do."""
    with no_object_id_recompute():  # otherwise a record is serialised once for each time that its id is asked for
        parts = get_all_nested_objects(message)
        return Packet(
            message_id=message.metadata.message_id,
            root=message.object_id,
            objects={identity: part.deflate() for identity, part in parts.items()},
        )


def unpack(packet: Packet) -> Message:
    """A message that shares no memory with the one that was packed."""
    message = cast(Message, inflate_object_from_contents(packet.root, dict(packet.objects)))
    set_message_id(message, packet.message_id)
    return message


def set_message_id(message: Message, identity: str) -> None:
    """Names a message. Flower's grids do it this way too: there is no setter."""
    message.metadata.__dict__["_message_id"] = identity
