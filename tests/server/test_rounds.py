"""Rounds against clients that fail, lie or fall silent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Error, Message, RecordDict

from server.ledger import count_charges
from server.releases import RunDirectory, read_rounds
from server.roster import Numbers
from server.round_record import RoundRecord
from server.rounds import TooFewRepliesError, run_rounds
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import load_language_model
from shared.messages import (
    ROLL_CALL,
    PublicMetrics,
    RollCallReply,
    TrainReply,
    TrainRequest,
    to_array_record,
)
from shared.plan_terms import UserPrivacyTerms
from shared.round_plan import FederationPlan
from tests.federation import MARKER, adapter_vector, plan
from tests.server.grids import ScriptedGrid

_METRICS = PublicMetrics(
    loss=1.0, accuracy=0.5, pairs=3, update_norm=2.0, forwards=6, tokens=9, seconds=0.1
)  # fmt: skip
Lie = Callable[[Message, TrainReply], Message | None]


@cache
def _adapted() -> AdaptedModel:
    return attach_adapter(load_language_model(plan().model), plan().adapter)


def _honest(message: Message, *, private: bool = False) -> TrainReply:
    request = TrainRequest.from_record(message.content)
    direction = np.zeros(request.vector.size, dtype=np.float32)
    direction[message.metadata.dst_node_id] = 1.0
    return TrainReply(
        status="trained", request_digest=request.digest(), vector=direction, metrics=None if private else _METRICS
    )


def _grid(
    lies: dict[int, Lie], *, nodes: int = 4, private: bool = False, claims: Mapping[int, int] | None = None
) -> ScriptedGrid:
    """Node i is device i, or claims to be another; each adds 1 to its own number of the adapter, unless it lies."""

    def answer(message: Message) -> Message | None:
        node = message.metadata.dst_node_id
        if message.metadata.message_type == ROLL_CALL:
            return Message(RollCallReply(device=(claims or {}).get(node, node)).to_record(), reply_to=message)
        honest = _honest(message, private=private)
        return lies[node](message, honest) if node in lies else Message(honest.to_record(), reply_to=message)

    return ScriptedGrid(answer, range(nodes))


def _run(
    grid: ScriptedGrid, of: FederationPlan, path: Path, *, resume: bool = False, numbers: Numbers | None = None
) -> list[RoundRecord]:
    seen: list[RoundRecord] = []
    directory = RunDirectory(path, plan=of, spec=_adapted().spec)
    _adapted().load(np.zeros(_adapted().spec.dimension, dtype=np.float32))
    run_rounds(
        plan=of, adapted=_adapted(), grid=grid, directory=directory, observe=seen.append, resume=resume, numbers=numbers
    )
    assert list(read_rounds(path))[-len(seen) :] == seen
    return seen


def _edited(change: Callable[[RecordDict], None]) -> Lie:
    def lie(message: Message, honest: TrainReply) -> Message:
        record = honest.to_record()
        change(record)
        return Message(record, reply_to=message)

    return lie


def _set(name: str, key: str, value: object) -> Lie:
    def change(record: RecordDict) -> None:
        record[name][key] = value  # type: ignore[assignment]

    return _edited(change)


def _update(vector: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Lie:
    return _edited(lambda record: record.__setitem__("update", to_array_record(vector)))


_DIMENSION = 896
LIES: dict[str, tuple[Lie, str]] = {
    "raises": (lambda message, _: Message(Error(2, MARKER), reply_to=message), "flower error 2"),
    "says why": (
        lambda message, honest: Message(
            TrainReply(status="failed", request_digest=honest.request_digest).to_record(), reply_to=message
        ),
        "failed",
    ),
    "falls silent": (lambda message, honest: None, "timeout"),
    "NaN": (_update(np.full(_DIMENSION, np.nan, dtype=np.float32)), "invalid reply: vector: holds NaN or infinity"),
    "wrong shape": (_update(np.zeros(7, dtype=np.float32)), "invalid reply: vector: must hold 896 numbers"),
    "not clipped": (_update(np.ones(_DIMENSION, dtype=np.float32)), "invalid reply: not clipped"),
    "another request": (_set("reply", "request", "0" * 64), "wrong request"),
    "unknown status": (_set("reply", "status", MARKER), "invalid reply: reply.status: unknown"),
    "private text": (_set("reply", MARKER, MARKER), "invalid reply: reply: 1 unknown parts, missing: none"),
    "empty": (lambda message, _: Message(RecordDict(), reply_to=message), "invalid reply: reply: must be a config"),
    "bad metrics": (_set("metrics", "loss", float("inf")), "invalid reply: metrics.loss"),
    "absurd metrics": (_set("metrics", "loss", 1.7e308), "invalid reply: metrics.loss"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_client_that_fails_is_left_out_and_named_by_node(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lie, reason = LIES[name]
    of = plan(rounds=1, cohort_size=4, round_timeout=1.0 if name == "falls silent" else 20.0)

    with caplog.at_level(logging.DEBUG):
        (record,) = _run(_grid({2: lie}), of, tmp_path)

    assert record.replies == 3
    assert [(failure.node, failure.device) for failure in record.failures] == [(2, 2)]
    assert record.failures[0].reason.startswith(reason)
    expected = np.zeros(_DIMENSION, dtype=np.float32)
    expected[[0, 1, 3]] = of.server_learning_rate / 3
    np.testing.assert_allclose(adapter_vector(tmp_path), expected, rtol=1e-6)
    assert MARKER not in caplog.text
    assert MARKER not in (tmp_path / "rounds.jsonl").read_text()


def test_a_private_run_refuses_figures_about_a_device(tmp_path: Path) -> None:
    def tells(message: Message, honest: TrainReply) -> Message:
        told = TrainReply(
            status="trained", request_digest=honest.request_digest, vector=honest.vector, metrics=_METRICS
        )
        return Message(told.to_record(), reply_to=message)

    def has_none(message: Message, honest: TrainReply) -> Message:
        return Message(
            TrainReply(status="no-pairs", request_digest=honest.request_digest).to_record(), reply_to=message
        )

    grid = _grid({1: tells, 2: has_none}, private=True)
    (record,) = _run(grid, plan(rounds=1, cohort_size=4, private=True), tmp_path)

    assert [failure.node for failure in record.failures] == [1, 2]
    assert record.metrics is None
    assert record.no_pairs == 0


def test_below_the_minimum_a_round_is_asked_again_with_another_attempt(tmp_path: Path) -> None:
    failures: list[int] = []

    def fails_once(message: Message, honest: TrainReply) -> Message:
        if failures.count(message.metadata.dst_node_id) == 0:
            failures.append(message.metadata.dst_node_id)
            return Message(Error(2, ""), reply_to=message)
        return Message(honest.to_record(), reply_to=message)

    grid = _grid({0: fails_once, 1: fails_once})
    records = _run(grid, plan(rounds=1, cohort_size=4, minimum_replies=3, attempts=2), tmp_path)

    assert [(record.attempts, record.replies) for record in records] == [(2, 4)]
    assert [(failure.node, failure.attempt) for failure in records[0].failures] == [(0, 1), (1, 1)]
    attempts = [TrainRequest.from_record(message.content).attempt for message in grid.sent if message.content]
    assert attempts == [1] * 4 + [2] * 4


def test_who_claims_anothers_number_keeps_it_out_of_no_attempt_where_the_server_knows_them(tmp_path: Path) -> None:
    asked: set[int] = set()

    def fails_once(message: Message, honest: TrainReply) -> Message:
        node = message.metadata.dst_node_id
        first = node not in asked
        asked.add(node)
        return Message(Error(2, ""), reply_to=message) if first else Message(honest.to_record(), reply_to=message)

    grid = _grid({0: fails_once}, nodes=5, claims={4: 1})
    of = plan(rounds=1, cohort_size=4, devices=4, minimum_replies=4, attempts=2, round_timeout=5.0)
    records = _run(grid, of, tmp_path, numbers=lambda: {node: node for node in range(4)} | {4: 7})

    assert [(record.attempts, record.replies) for record in records] == [(2, 4)]
    assert 4 not in {message.metadata.dst_node_id for message in grid.sent if message.content}


def test_a_run_stops_where_too_few_reply_and_keeps_what_was_released(tmp_path: Path) -> None:
    def fails_in_round_two(message: Message, honest: TrainReply) -> Message:
        if TrainRequest.from_record(message.content).round_number == 2:
            return Message(Error(5, MARKER), reply_to=message)
        return Message(honest.to_record(), reply_to=message)

    grid = _grid(dict.fromkeys(range(3), fails_in_round_two))
    of = plan(rounds=3, cohort_size=4, minimum_replies=2, attempts=2)

    with pytest.raises(TooFewRepliesError, match=r"round 2 had 1 usable replies of the 2 .*flower error 5") as stopped:
        _run(grid, of, tmp_path)
    assert MARKER not in str(stopped.value)
    assert [record.round_number for record in read_rounds(tmp_path)] == [1]


def test_the_order_of_replies_does_not_matter(tmp_path: Path) -> None:
    class Shuffled(ScriptedGrid):
        def pull_messages(self, message_ids: object) -> list[Message]:
            return list(reversed(list(super().pull_messages(message_ids))))  # type: ignore[arg-type]

    random = np.random.default_rng(0)
    updates = [random.standard_normal(_DIMENSION).astype(np.float32) / np.float32(40) for _ in range(4)]
    lies = {node: _update(update) for node, update in enumerate(updates)}
    of = plan(rounds=1, cohort_size=4)
    _run(_grid(lies), of, tmp_path / "a")
    shuffled = Shuffled(_grid(lies)._answer, range(4))
    _run(shuffled, of, tmp_path / "b")

    a, b = ((tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_attempts_that_failed_before_a_resume_stay_on_the_ledger(tmp_path: Path) -> None:
    silent: Lie = lambda message, honest: Message(Error(5, ""), reply_to=message)  # noqa: E731
    of = plan(rounds=2, cohort_size=4, minimum_replies=4, attempts=3, private=True)
    with pytest.raises(TooFewRepliesError):
        _run(_grid({2: silent}, private=True), of, tmp_path)
    assert count_charges(tmp_path) == 3

    records = _run(_grid({}, private=True), of, tmp_path, resume=True)

    # The first attempt again is the same request; what the other two gave away is not forgotten.
    assert [record.attempts for record in records] == [1, 1]
    assert count_charges(tmp_path) == 4


@pytest.mark.parametrize("silent", [(), (0,), (0, 1), (0, 1, 2)])
def test_where_users_are_private_dropouts_divide_by_the_planned_cohort(tmp_path: Path, silent: tuple[int, ...]) -> None:
    """Whoever answers counts as much as if all had: a mean over those who did would tell who, and be louder."""
    faint = UserPrivacyTerms(noise_multiplier=0.01)
    of = replace(plan(rounds=1, cohort_size=4, round_timeout=0.3), user_privacy=faint, sampling="schedule")
    (record,) = _run(_grid(dict.fromkeys(silent, LIES["falls silent"][0]), private=True), of, tmp_path)

    released = adapter_vector(tmp_path)
    step = of.server_step(1)
    for node in range(4):
        expected = 0.0 if node in silent else step / 4
        assert released[node] == pytest.approx(expected, abs=6 * step * record.noise_std)
    assert (record.cohort, record.replies) == (4, 4 - len(silent))
    assert record.noise_std == pytest.approx(0.01 / 4, rel=0.02)


def test_an_update_that_is_not_clipped_is_refused_before_it_is_summed(tmp_path: Path) -> None:
    of = replace(
        plan(rounds=1, cohort_size=4),
        user_privacy=UserPrivacyTerms(noise_multiplier=0.01),
        sampling="schedule",
    )
    (record,) = _run(_grid({2: LIES["not clipped"][0]}, private=True), of, tmp_path)

    assert [failure.reason for failure in record.failures] == ["invalid reply: not clipped"]
    assert abs(adapter_vector(tmp_path)[100]) < 6 * of.server_step(1) * record.noise_std
