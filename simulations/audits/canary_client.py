"""Devices of a shadow run: they answer with canaries in the place of what training gives, and are the client otherwise.

Clipping, encoding, noise and masks are `client.update.private_reply`'s and `client.secure_aggregation`'s, as of every
device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import Error, Message
from flwr.common.constant import ErrorCode
from numpy.typing import NDArray

from client.secure_aggregation import SecureSessions
from client.update import private_reply
from shared.messages import TRAIN, TrainRequest
from shared.plan_sessions import session_of
from shared.secagg.modulus import centre, unpack
from shared.secagg_messages import SECURE_STAGE, StageRequest
from simulations.engines.devices import SimulatedDevice, SimulatedDevices
from simulations.engines.inline import FIRST_NODE, OpenClient
from simulations.engines.wire import Packet, pack, set_message_id
from simulations.engines.wire import unpack as unpacked
from simulations.engines.workers import Handle


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a device of a shadow run does.

    Attributes:
        canary: which one it is; None of none, whose updates are zero.
        colludes: it tells the server its noise.
        vanishes: it takes part, and never says its masked vector.
        once: it has something to say in its first participation only.
    """

    canary: int | None
    colludes: bool
    vanishes: bool
    once: bool


@dataclass(frozen=True, kw_only=True)
class OpenCanaries:
    """Opens the client of a shadow run in this process.

    Attributes:
        devices: their keys and sessions.
        roles: by device.
        update: (d,) what training would have given, by role and round.
        told: what a colluding device tells the server: the round, and its noise (d,).
    """

    devices: SimulatedDevices
    roles: Mapping[int, Role]
    update: Callable[[Role, int], NDArray[np.float32]]
    told: Callable[[int, NDArray[np.float64]], None]

    def __call__(self) -> Handle:
        """A handler of serialised messages."""
        honest = OpenClient(open_device=self.devices)()

        def handle(packet: Packet) -> Packet:
            message = unpacked(packet)
            number = message.metadata.dst_node_id - FIRST_NODE
            role = self.roles[number]
            kind = message.metadata.message_type
            if role.vanishes and kind == SECURE_STAGE and StageRequest.from_record(message.content).stage != "share":
                return _answer(message, Message(Error(ErrorCode.CLIENT_APP_CRASHED, ""), reply_to=message))
            if kind != TRAIN:
                return honest(packet)
            request, device = TrainRequest.from_record(message.content), self.devices.device(number)
            update = self.update(role, request.round_number)
            reply = private_reply(request, update, device=device)
            if role.colludes:
                self.told(request.round_number, _own_noise(request, device, dimension=update.size))
            return _answer(message, Message(reply.to_record(), reply_to=message))

        return handle


def _answer(message: Message, reply: Message) -> Packet:
    set_message_id(reply, f"reply-to-{message.metadata.message_id}")
    return pack(reply)


class _Opened(SecureSessions):
    """A device's sessions, read by whoever owns the device."""

    def entered(self, request: TrainRequest) -> bytes:
        """What it will mask, packed."""
        return self._read(self._file(request.run, request.round_number, request.attempt)).vector


def _own_noise(request: TrainRequest, device: SimulatedDevice, *, dimension: int) -> NDArray[np.float64]:
    """(d,) what a device whose update is zero will add to the sum, in the updates' units."""
    terms, encoding = session_of(request, dimension=dimension)
    sessions = _Opened(
        device.sessions_directory(), device_key=device.noise_key(), identity=device.identity(), lasting=False
    )
    vector = unpack(sessions.entered(request), dimension=terms.dimension, bits=terms.bits)
    return encoding.decode(centre(vector, terms.bits))
