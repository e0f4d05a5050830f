"""Devices that answer at once, for measuring what a server does with many: their updates are drawn, not trained."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shared.messages import PublicMetrics, TrainReply, TrainRequest
from shared.privacy.clipping import clip_to_norm
from simulations.engines.wire import Packet, pack, set_message_id, unpack
from simulations.engines.workers import Handle


def quick_client(_open_client: Callable[[], Handle]) -> Callable[[], Handle]:
    """Stands in for the ClientApp of `run_inline` (its `tamper`), for plans without privacy that send their state back.

    A device's update has the length of the clipping norm, and a direction that its number decides.
    """
    return lambda: _answer


def _answer(packet: Packet) -> Packet:
    message = unpack(packet)
    request = TrainRequest.from_record(message.content)
    drawn = np.random.default_rng(request.device).standard_normal(len(request.vector), dtype=np.float32)
    reply = TrainReply(
        status="trained",
        request_digest=request.digest(),
        vector=clip_to_norm(100.0 * drawn, request.plan.clipping_norm),
        metrics=PublicMetrics(loss=0.7, accuracy=0.5, pairs=10, update_norm=1.0, forwards=20, tokens=2000, seconds=0.0),
    )
    answered = message.__class__(reply.to_record(), reply_to=message)
    set_message_id(answered, f"reply-to-{message.metadata.message_id}")
    return pack(answered)
