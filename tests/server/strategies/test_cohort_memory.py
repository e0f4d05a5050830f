"""What a cohort costs the server's memory, with devices that are made as they are pulled and requests that are real."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.supercore.task_identity import TaskIdentity

from server.adapter_step import open_step
from server.central_noise import open_mechanism
from server.cohorts import ScheduledCohorts
from server.roster import Roster
from server.strategies.adapter_averaging import AdapterAveraging
from shared.adapter_spec import AdapterConfig, AdapterSpec
from shared.messages import PublicMetrics, TrainReply, from_array_record, to_array_record
from shared.plan_terms import ServerStepTerms, UserPrivacyTerms
from shared.round_plan import FederationPlan

_D = 30_000
_BYTES = 4 * _D  # of one update
_METRICS = PublicMetrics(loss=0.7, accuracy=0.5, pairs=10, update_norm=1.0, forwards=1, tokens=1000, seconds=0.3)


def opened(devices: int, **changes: object) -> AdapterAveraging:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SUPERLINK_NODE_ID, 1
    plan = FederationPlan(rounds=1, cohort_size=devices, devices=devices, attempts=1, sampling="schedule")
    plan = replace(plan, **changes)  # type: ignore[arg-type]
    spec = AdapterSpec(
        config=AdapterConfig(),
        base_name="none",
        base_fingerprint="0" * 64,
        parameters=(("base_model.model.x.q_proj.lora_B.weight", (_D // 4, 4)),),
    )
    return AdapterAveraging(
        plan=plan,
        spec=spec,
        roster=Roster(devices=range(devices), nodes=range(2, devices + 2)),
        run="0" * 32,
        cohorts=ScheduledCohorts(plan, range(devices)),
        step=open_step(plan, spec, remembered=None),
        mechanisms=(open_mechanism(plan, dimension=_D, released=0, state_file=Path("none")),),
    )


def answers(averaging: AdapterAveraging, messages: Iterable[Message], order: Iterable[int]) -> Iterator[Message]:
    """Each device's reply, made when it is looked at."""
    asked = list(averaging._asked)
    for number, message in zip(count(1), messages, strict=False):
        message.metadata.__dict__["_message_id"] = f"m{number}"
    for place in order:
        one = asked[place]
        vector = np.random.default_rng(one.device).standard_normal(_D)
        said = TrainReply(
            status="trained",
            request_digest=one.digest,
            vector=(vector / np.linalg.norm(vector)).astype(np.float32),
            metrics=None if one.request.plan.is_private else _METRICS,
        )
        reply = Message(said.to_record(), one.message.metadata.dst_node_id, "train", ttl=10.0)
        reply.metadata.__dict__["_reply_to_message_id"] = one.message.metadata.message_id
        yield reply


def stepped(averaging: AdapterAveraging, order: Iterable[int]) -> np.ndarray:
    asked = ConfigRecord({"attempt": 1, "place": 0})
    start = to_array_record(np.zeros(_D, dtype=np.float32))
    messages = averaging.configure_train(1, start, asked, grid=None)  # type: ignore[arg-type]
    arrays, _ = averaging.aggregate_train(1, answers(averaging, messages, order))
    assert arrays is not None
    return from_array_record(arrays)


def peak(devices: int, **changes: object) -> int:
    """Most bytes held at once over a whole round."""
    averaging = opened(devices, **changes)
    tracemalloc.start()
    try:
        stepped(averaging, range(devices))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("noise", [None, UserPrivacyTerms(noise_multiplier=1.0)])
def test_a_mean_needs_no_more_memory_for_more_devices_than_their_requests_words(noise: UserPrivacyTerms | None) -> None:
    # From above the number of updates that are held to be compared.
    few, many = peak(110, user_privacy=noise), peak(220, user_privacy=noise)

    assert many - few < 110 * _BYTES / 5


def test_a_mean_that_bears_liars_holds_every_update() -> None:
    """So the test above can fail."""
    terms = ServerStepTerms(mean="median")
    few, many = peak(110, step_terms=terms), peak(220, step_terms=terms)

    assert many - few > 110 * _BYTES


def test_the_order_of_replies_is_of_no_account_and_who_is_silent_is_named() -> None:
    forwards, backwards = opened(12), opened(12)
    one, other = stepped(forwards, [*range(11), 3]), stepped(backwards, reversed(range(11)))

    assert np.array_equal(one, other)
    for averaging in (forwards, backwards):
        assert averaging.outcome is not None
        assert averaging.outcome.replies == 11  # a second reply to one message counts for nothing
        assert [(one.device, one.reason) for one in averaging.outcome.failures] == [(11, "timeout")]
