"""What is kept of a round: counts, sizes and node ids. Never content."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class NodeFailure:
    """A node that was asked and left out.

    Attributes:
        node: Flower's id.
        device: the device's number.
        attempt: of the round.
        reason: a status of `shared.messages`, "invalid reply: ...", "wrong request", "gone", "timeout" or
            "flower error N" with Flower's code.
    """

    node: int
    device: int
    attempt: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class CohortMetrics:
    """Means over the cohort's devices, in a run without privacy.

    Attributes:
        loss, accuracy: before the local step.
        update_norm, largest_update_norm: L2, before clipping.
        clipped: share of updates whose norm was above C.
        pairs: in all.
        device_seconds: median time of training.
    """

    loss: float
    accuracy: float
    update_norm: float
    largest_update_norm: float
    clipped: float
    pairs: int
    device_seconds: float


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """One released round.

    Attributes:
        round_number: from 1.
        rounds: how many there will be.
        attempts: how often the round was asked.
        cohort: devices asked in the last attempt.
        replies: updates in the mean.
        no_pairs: devices without pairs (a run without privacy only).
        failures: devices left out, of every attempt.
        seconds: wall time of the round, all attempts.
        bytes_down, bytes_up: one device's request and reply, as serialised.
        step_norm: L2 of the server's step, which the releases show anyway.
        noise_std: standard deviation of the noise on one number of the mean update, where users are private; else 0.
        metrics: None in a private run.
        aggregation_error: distance of the round's release from the mean of the devices' models, over that mean's norm
            (`server.aggregation.aggregation_error`); None where it was not measured: in a private run, or where devices
            keep a factor.
        aggregation_seconds: that the server took to make the next state of the updates, or of their sum.
    """

    round_number: int
    rounds: int
    attempts: int
    cohort: int
    replies: int
    no_pairs: int
    failures: tuple[NodeFailure, ...]
    seconds: float
    bytes_down: int
    bytes_up: int
    step_norm: float
    noise_std: float = 0.0
    metrics: CohortMetrics | None = None
    aggregation_error: float | None = None
    aggregation_seconds: float = 0.0

    def to_json(self) -> str:
        """One line of `rounds.jsonl`, without its newline."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> RoundRecord:
        """Raises: ValueError: not such a line."""
        try:
            values = json.loads(text)
            values["failures"] = tuple(NodeFailure(**failure) for failure in values["failures"])
            if values["metrics"] is not None:
                values["metrics"] = CohortMetrics(**values["metrics"])
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a round's record ({type(error).__name__})") from None
