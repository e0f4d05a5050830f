from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from shared.messages import PublicMetrics, RollCallReply, TrainReply, TrainRequest, from_array_record, to_array_record
from shared.records import MessageError
from shared.round_plan import FederationPlan

_METRICS = PublicMetrics(
    loss=1.0, accuracy=0.5, pairs=3, update_norm=2.0, forwards=6, tokens=100, seconds=0.1
)  # fmt: skip


def _request(**changes: object) -> TrainRequest:
    values: dict[str, object] = {
        "run": "1" * 32, "device": 3, "round_number": 2, "attempt": 1,
        "plan": FederationPlan(), "spec_digest": "a" * 64,
        "base_fingerprint": "b" * 64, "training_seed": 7, "vector": np.arange(4, dtype=np.float32),
    }  # fmt: skip
    return TrainRequest(**(values | changes))  # type: ignore[arg-type]


def _reply(vector: NDArray[np.float32] | None = None, *, metrics: PublicMetrics | None = _METRICS) -> RecordDict:
    update = np.ones(4, dtype=np.float32) if vector is None else vector
    return TrainReply(status="trained", request_digest="d", vector=update, metrics=metrics).to_record()


def test_a_request_survives_its_record() -> None:
    read = TrainRequest.from_record(_request().to_record())

    assert read.digest() == _request().digest()
    assert read.plan == FederationPlan()
    assert np.array_equal(read.vector, _request().vector)


@pytest.mark.parametrize(
    "changes",
    [
        {"run": "2" * 32},
        {"device": 4},
        {"round_number": 3},
        {"attempt": 2},
        {"plan": FederationPlan(seed=1)},
        {"spec_digest": "c"},
        {"base_fingerprint": "c"},
        {"training_seed": 8},
        {"vector": np.arange(1, 5, dtype=np.float32)},
    ],
)
def test_every_part_of_a_request_is_in_its_digest(changes: dict[str, object]) -> None:
    assert _request(**changes).digest() != _request().digest()


def _edit(name: str, key: str, value: object) -> Callable[[RecordDict], None]:
    def edit(record: RecordDict) -> None:
        record[name][key] = value  # type: ignore[assignment]

    return edit


def _remove(name: str) -> Callable[[RecordDict], None]:
    def edit(record: RecordDict) -> None:
        del record[name]

    return edit


def _add(name: str) -> Callable[[RecordDict], None]:
    def edit(record: RecordDict) -> None:
        record[name] = ConfigRecord({"x": "secret words"})

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        _edit("request", "round", "2"),
        _edit("request", "round", True),
        _edit("request", "round", 0),
        _edit("request", "round", 13),
        _edit("request", "attempt", 4),
        _edit("request", "training-seed", -1),
        _edit("request", "schema", 1),
        _edit("request", "run", "../../elsewhere"),
        _edit("request", "extra", 1),
        _edit("request", "plan", "0" * 64),
        _edit("plan", "federation.seed", 1),
        _edit("plan", "secret words", 1),
        _edit("plan", "output.directory", "out"),
        _remove("plan"),
        _remove("shared"),
        _add("more"),
    ],
)
def test_a_request_that_is_not_one_is_refused(edit: Callable[[RecordDict], None]) -> None:
    record = _request().to_record()
    edit(record)

    with pytest.raises(MessageError):
        TrainRequest.from_record(record)


def test_a_reply_survives_its_record() -> None:
    read = TrainReply.from_record(_reply(), dimension=4, private=False)

    assert read.metrics == _METRICS
    assert read.vector is not None
    assert np.array_equal(read.vector, np.ones(4))


@pytest.mark.parametrize(
    "edit",
    [
        _edit("reply", "status", "fine"),
        _edit("reply", "status", "no-pairs"),
        _edit("reply", "schema", 0),
        _edit("metrics", "loss", float("nan")),
        _edit("metrics", "pairs", 1.5),
        _edit("metrics", "pairs", -1),
        _edit("metrics", "more", 1),
        _remove("metrics"),
        _remove("update"),
        _remove("reply"),
        _add("secret words"),
    ],
)
def test_a_reply_that_is_not_one_is_refused_without_quoting_it(edit: Callable[[RecordDict], None]) -> None:
    record = _reply()
    edit(record)

    with pytest.raises(MessageError) as refused:
        TrainReply.from_record(record, dimension=4, private=False)
    assert "secret" not in str(refused.value)


def test_a_private_reply_holds_a_vector_and_no_other_number() -> None:
    record = _reply(metrics=None)

    assert set(record) == {"reply", "update"}
    assert set(record["reply"]) == {"schema", "status", "request"}
    assert TrainReply.from_record(record, dimension=4, private=True).metrics is None
    with pytest.raises(MessageError, match="1 unknown"):
        TrainReply.from_record(_reply(), dimension=4, private=True)


def _array(**changes: object) -> ArrayRecord:
    values: dict[str, object] = {
        "dtype": "float32", "shape": (4,), "stype": "tacit.float32-le", "data": np.ones(4, dtype="<f4").tobytes(),
    }  # fmt: skip
    return ArrayRecord({"vector": Array(**(values | changes))})  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "record",
    [
        _array(dtype="float64"),
        _array(shape=(2, 2)),
        _array(shape=(5,)),
        _array(shape=(2**40,)),
        _array(shape=(-4,)),
        _array(shape=()),
        _array(data=b""),
        _array(data=b"\0" * 15),
        _array(data=np.array([1, np.nan, 1, 1], dtype="<f4").tobytes()),
        _array(data=np.array([1, np.inf, 1, 1], dtype="<f4").tobytes()),
        _array(stype="numpy.ndarray"),
        ArrayRecord({"vector": Array(np.ones(4, dtype=np.float32))}),
        ArrayRecord(),
        ArrayRecord({**_array(), "other": _array()["vector"]}),
    ],
)
def test_an_array_that_is_not_the_vector_is_refused(record: ArrayRecord) -> None:
    with pytest.raises(MessageError):
        from_array_record(record, dimension=4)


@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_a_vector_keeps_its_bits(vector: NDArray[np.float32]) -> None:
    assert from_array_record(to_array_record(vector), dimension=vector.size).tobytes() == vector.tobytes()


def test_a_roll_call_reply_survives_its_record() -> None:
    assert RollCallReply.from_record(RollCallReply(device=3).to_record()) == RollCallReply(device=3)
    with pytest.raises(MessageError):
        RollCallReply.from_record(RecordDict({"roll-call": ConfigRecord({"schema": 1, "device": -1})}))
    with pytest.raises(MessageError):
        RollCallReply.from_record(RecordDict({"roll-call": MetricRecord({"device": 1})}))
