"""Updates exchanged on their way: the honest client trains and replies, and an attacker's wire puts another update in.

The reply is parsed and written by `shared.messages`, as the server's own, so what the server refuses it refuses for
what it says and not for how it is packed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shared.messages import TRAIN, TrainReply, from_array_record
from shared.privacy.clipping import clip_to_norm, l2_norm
from shared.records import array_record
from simulations.attacks.config import AttackKind
from simulations.engines.wire import Packet, pack, unpack
from simulations.engines.workers import Handle

_TIMES = 100.0
_UPDATE = "update"


@dataclass(frozen=True, kw_only=True)
class OpenForger:
    """Opens a client whose attackers' updates are forged: picklable where `open_client` is.

    Attributes:
        open_client: opens the honest client's handler.
        kind: which forgery.
        attackers: the devices that send forgeries.
        first_node: Flower's id of device 0; device i is i nodes further.
        clipping_norm: C, which the server holds every update to.
        private: whether replies hold no figures about their devices.
    """

    open_client: Callable[[], Handle]
    kind: AttackKind
    attackers: frozenset[int]
    first_node: int
    clipping_norm: float
    private: bool

    def __call__(self) -> Handle:
        """A handler of serialised messages. A reply without an update passes as it is."""
        honest = self.open_client()

        def handle(packet: Packet) -> Packet:
            packed = honest(packet)
            reply = unpack(packed)
            device = reply.metadata.src_node_id - self.first_node
            if reply.metadata.message_type != TRAIN or device not in self.attackers or reply.has_error():
                return packed
            if _UPDATE not in reply.content:  # no pairs, or an update that waits for its masks
                return packed
            dimension = from_array_record(array_record(reply.content, _UPDATE)).size
            said = TrainReply.from_record(reply.content, dimension=dimension, private=self.private)
            if said.vector is None:
                return packed
            vector = forged(said.vector, self.kind, device=device, clipping_norm=self.clipping_norm)
            reply.content = replace(said, vector=vector).to_record()
            return pack(reply)

        return handle


def forged(update: NDArray[np.float32], kind: AttackKind, *, device: int, clipping_norm: float) -> NDArray[np.float32]:
    """What an attacker sends for its honest update.

    | kind | sent |
    | --- | --- |
    | sign-flip | `-C u / |u|` |
    | backdoor | `C u / |u|`, of an update that poisoned pairs made |
    | scaled | `100 u`: longer than C unless u is shorter than C / 100 |
    | garbage | by device number: u with a NaN, with an infinity, or u twice over |
    | others | u |

    Args:
        update: (d,) u, clipped.
        clipping_norm: C.
    """
    if kind == "sign-flip":
        return as_long_as_accepted(-update, clipping_norm)
    if kind == "backdoor":
        return as_long_as_accepted(update, clipping_norm)
    if kind == "scaled":
        return (update * np.float32(_TIMES)).astype(np.float32)
    if kind == "garbage":
        if device % 3 == 2:
            return np.concatenate([update, update])
        broken = update.copy()
        broken[0] = (np.nan, np.inf)[device % 3]
        return broken
    return update


def as_long_as_accepted(update: NDArray[np.float32], clipping_norm: float) -> NDArray[np.float32]:
    """The update's direction with norm C, to a millionth and never above; zero has none and stays zero."""
    norm = l2_norm(update)
    if norm == 0:
        return update.copy()
    longer = (update.astype(np.float64) * (2 * clipping_norm / norm)).astype(np.float32)
    return clip_to_norm(longer, clipping_norm)
