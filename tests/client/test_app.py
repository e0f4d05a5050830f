from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from flwr.app import Context, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray

import client.app
import client.training
from client.app import build_client_app
from client.device import DeclinedError, DeviceError, Gate, PersonalFactors
from client.packing import encode_pair
from client.secure_aggregation import SecureSessions
from client.training import NonFiniteTrainingError
from client.update import _places_of_a_round
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterSpec
from shared.conversation import PreferencePair
from shared.language_model import load_language_model
from shared.messages import TRAIN, TrainReply, TrainRequest
from shared.plan_terms import PairPrivacyTerms, UserPrivacyTerms
from shared.privacy.clipping import l2_norm
from shared.round_plan import FederationPlan
from simulations.engines.devices import OpenGate
from tests.federation import MARKER, FewDevices, plan


class _Device:
    def __init__(
        self,
        pairs: Sequence[PreferencePair],
        *,
        key: int = 1,
        error: Exception | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._pairs, self._key, self._error, self._gate = pairs, key, error, gate or OpenGate()

    def pairs(self) -> Sequence[PreferencePair]:
        if self._error is not None:
            raise self._error
        return self._pairs

    def noise_key(self) -> bytes:
        return bytes([self._key]) * 32

    def gate(self) -> Gate:
        return self._gate

    def sessions(self) -> SecureSessions:
        raise DeviceError("this device aggregates with nobody")

    def personal(self) -> PersonalFactors:
        raise DeviceError("this device keeps nothing")

    def keep_shared(self, request: TrainRequest) -> None:
        raise DeviceError(f"no room for round {request.round_number}")


_PAIRS = FewDevices().pairs(2)
_SPECS: dict[str, AdapterSpec] = {}


def _request(of: FederationPlan, **changes: object) -> TrainRequest:
    if of.model.name not in _SPECS:
        _SPECS[of.model.name] = attach_adapter(load_language_model(of.model), of.adapter).spec
    spec = _SPECS[of.model.name]
    values: dict[str, object] = {
        "run": "0" * 32, "device": 2, "round_number": 1, "attempt": 1,
        "plan": of, "spec_digest": spec.digest(), "training_seed": 0,
        "base_fingerprint": spec.base_fingerprint, "vector": np.zeros(spec.dimension, dtype=np.float32),
    }  # fmt: skip
    return TrainRequest(**(values | changes))  # type: ignore[arg-type]


def _send(record: RecordDict, device: _Device) -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, SUPERLINK_NODE_ID, 1
    message = Message(record, 2, TRAIN)
    context = Context(run_id=1, node_id=2, node_config={}, state=RecordDict(), run_config={})
    return build_client_app(lambda _: device)(message, context)


def _answer(request: TrainRequest, device: _Device) -> TrainReply:
    reply = _send(request.to_record(), device)
    private = request.plan.is_private
    return TrainReply.from_record(reply.content, dimension=request.vector.size, private=private)


def _vector(request: TrainRequest, device: _Device) -> NDArray[np.float32]:
    found = _answer(request, device).vector
    assert found is not None
    return found


def test_a_device_trains_and_clips() -> None:
    request = _request(replace(plan(), clipping_norm=0.01))

    reply = _answer(request, _Device(_PAIRS))

    assert reply.status == "trained"
    assert reply.request_digest == request.digest()
    assert reply.vector is not None
    assert 0.0099 < l2_norm(reply.vector) <= 0.01
    assert reply.metrics is not None
    assert reply.metrics.pairs == len(_PAIRS)
    assert reply.metrics.update_norm > 0.01


@pytest.mark.parametrize("private", [False, True])
def test_what_a_user_has_forgotten_does_not_stay_in_memory(private: bool) -> None:
    request = _request(plan(private=private))
    client.app._pair_caches.clear()

    _answer(request, _Device(_PAIRS))
    (cache,) = client.app._pair_caches.values()
    assert len(cache) == len(_PAIRS)
    _answer(request, _Device(_PAIRS[1:]))
    assert len(cache) == len(_PAIRS) - 1


def test_a_device_without_pairs_is_left_out_only_where_nothing_is_private() -> None:
    assert _answer(_request(plan()), _Device(())).status == "no-pairs"

    private = _answer(_request(plan(private=True)), _Device(()))
    trained = _answer(_request(plan(private=True)), _Device(_PAIRS))
    assert private.status == trained.status == "trained"
    assert private.vector is not None
    assert private.vector.any()
    assert set(private.to_record()) == set(trained.to_record()) == {"reply", "update"}


def test_an_identical_private_request_gets_identical_bytes_and_any_other_fresh_noise() -> None:
    # Without pairs the update is noise alone, so that equal vectors can only be equal noise.
    request, device = _request(plan(private=True, attempts=2)), _Device(())
    first = _vector(request, device)

    assert _vector(request, device).tobytes() == first.tobytes()
    for other in (
        replace(request, attempt=2),
        replace(request, round_number=2),
        replace(request, training_seed=1),
        replace(request, vector=request.vector + np.float32(1e-3)),
        replace(request, plan=replace(request.plan, seed=1)),
    ):
        fresh = _vector(other, device)
        cosine = float(fresh @ first) / (l2_norm(fresh) * l2_norm(first))
        assert abs(cosine) < 0.2  # 896 numbers: 6 standard deviations
    assert abs(float(_vector(request, _Device((), key=2)) @ first)) < 0.2 * l2_norm(first)


def test_in_a_private_run_a_pair_that_no_template_takes_counts_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    request = _request(plan(private=True))
    expected = _vector(request, _Device(_PAIRS[:1]))
    encode = encode_pair

    def refuse_second(model: object, pair: PreferencePair, **limits: int) -> object:
        if pair is _PAIRS[1]:
            raise ValueError(MARKER)
        return encode(model, pair, **limits)  # type: ignore[arg-type]

    monkeypatch.setattr("client.update.encode_pair", refuse_second)
    assert _vector(request, _Device(_PAIRS[:2])).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"spec_digest": "0" * 64}, "wrong-model"),
        ({"base_fingerprint": "0" * 64}, "wrong-model"),
        ({"vector": np.zeros(3, dtype=np.float32)}, "bad-request"),
        ({"vector": np.full(3, np.nan, dtype=np.float32)}, "bad-request"),
        ({"round_number": 99}, "bad-request"),
    ],
)
def test_a_request_that_does_not_fit_is_answered_with_a_code(changes: dict[str, object], status: str) -> None:
    reply = _send(_request(plan(), **changes).to_record(), _Device(_PAIRS))

    assert reply.content["reply"]["status"] == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError(MARKER), "failed"),
        (DeviceError(MARKER), "unreadable-pairs"),
        (MemoryError(MARKER), "failed"),
        (KeyError(MARKER), "failed"),
    ],
)
def test_an_exception_leaves_the_device_as_a_code_only(
    error: Exception, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reply = _send(_request(plan()).to_record(), _Device((), error=error))

    assert reply.content["reply"]["status"] == status
    assert MARKER not in repr(reply.content)
    assert MARKER not in caplog.text


def test_a_model_that_cannot_be_loaded_is_a_code() -> None:
    request = _request(plan())
    elsewhere = replace(request.plan, model=replace(request.plan.model, name="/no/such/model"))

    reply = _send(replace(request, plan=elsewhere).to_record(), _Device(_PAIRS))

    assert reply.content["reply"]["status"] == "unsupported-model"


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return abs(float(one @ other)) / (l2_norm(one) * l2_norm(other))


def test_the_same_private_request_over_other_pairs_gets_fresh_noise() -> None:
    # Noise far above the gradients: two replies with the same noise would point the same way.
    terms = PairPrivacyTerms(noise_multiplier=50.0, sample_rate=1.0, max_grad_norm=0.5)
    request = _request(replace(plan(private=True), pair_privacy=terms))
    first = _vector(request, _Device(_PAIRS[:2]))

    assert _vector(request, _Device(_PAIRS[:2])).tobytes() == first.tobytes()
    for pairs in (_PAIRS[:1], _PAIRS[:3], (_PAIRS[0], _PAIRS[2]), ()):
        other = _vector(request, _Device(pairs))
        for shift in (0, 1, 2):  # nor the same stream a little later
            assert _cosine(other[shift:], first[: len(first) - shift]) < 0.2
            assert _cosine(first[shift:], other[: len(first) - shift]) < 0.2


@pytest.mark.parametrize("broken", ["unreadable", "untrainable"])
def test_in_a_private_run_broken_data_looks_like_none(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request = _request(plan(private=True))
    expected = _answer(request, _Device(()))
    if broken == "untrainable":

        def refuse(*_: object, **__: object) -> object:
            raise IndexError(MARKER)

        monkeypatch.setattr("client.training.take_private_step", _only_without_pairs(refuse))
    device = _Device(_PAIRS, error=DeviceError("cannot read") if broken == "unreadable" else None)

    reply = _answer(request, device)

    assert reply.status == expected.status == "trained"
    assert reply.vector is not None
    assert expected.vector is not None
    assert reply.vector.tobytes() == expected.vector.tobytes()
    assert MARKER not in caplog.text
    assert _answer(_request(plan()), _Device(_PAIRS)).status == "trained"


def _only_without_pairs(refuse: Callable[..., object]) -> Callable[..., object]:
    step = client.training.take_private_step

    def either(adapted: object, pairs: Sequence[object], *rest: object) -> object:
        return refuse() if pairs else step(adapted, pairs, *rest)  # type: ignore[arg-type]

    return either


_USERS = UserPrivacyTerms(noise_multiplier=1.0)


def _user_plan() -> FederationPlan:
    return replace(plan(), user_privacy=_USERS, sampling="schedule")


def test_where_users_are_private_an_update_is_clipped_and_nothing_else_leaves() -> None:
    request = _request(replace(_user_plan(), clipping_norm=0.01))

    reply = _answer(request, _Device(_PAIRS))

    assert reply.vector is not None
    assert 0.0099 < l2_norm(reply.vector) <= 0.01
    record = reply.to_record()
    assert set(record) == {"reply", "update"}
    assert set(record["reply"]) == {"schema", "status", "request"}


@pytest.mark.parametrize("error", [None, DeviceError(MARKER), RuntimeError(MARKER), MemoryError(MARKER)])
def test_where_users_are_private_nothing_to_say_and_broken_data_are_zero(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        reply = _answer(_request(_user_plan()), _Device((), error=error))

    assert reply.status == "trained"
    assert reply.vector is not None
    assert not reply.vector.any()
    assert error is None or isinstance(error, DeviceError) or MARKER not in caplog.text


def test_where_users_are_private_training_that_fails_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NonFiniteTrainingError(MARKER)

    monkeypatch.setattr("client.update.train_locally", fail)
    reply = _answer(_request(_user_plan()), _Device(_PAIRS))

    assert reply.status == "trained"
    assert reply.vector is not None
    assert not reply.vector.any()


def test_pairs_beyond_the_cap_are_left_out_by_their_place_and_never_by_their_content() -> None:
    """Zero-out of one pair must not bring another in: the same places are chosen over other words."""
    private = replace(plan(private=True), training=replace(plan().training, max_pairs=3))
    request, device = _request(private), _Device(())
    many = [replace(_PAIRS[0], persona=f"number {place}") for place in range(20)]
    others = [replace(_PAIRS[1], persona=f"number {place}") for place in range(20)]

    chosen = [pair.persona for pair in _places_of_a_round(request, device, many, 3)]
    assert len(chosen) == 3
    assert [pair.persona for pair in _places_of_a_round(request, device, others, 3)] == chosen
    later = _request(private, round_number=2)
    rounds = {pair.persona for pair in _places_of_a_round(later, device, many, 3)} | set(chosen)
    assert len(rounds) > 3  # another round, other places
    assert _places_of_a_round(request, device, many[:3], 3) == many[:3]


class _ClosedGate(OpenGate):
    def check(self, request: TrainRequest) -> None:
        raise DeclinedError(MARKER)


def test_a_declined_request_loads_no_model_and_tells_nothing() -> None:
    request = _request(plan())
    elsewhere = replace(request, plan=replace(request.plan, model=replace(request.plan.model, name="/no/such/model")))

    reply = _send(elsewhere.to_record(), _Device(_PAIRS, gate=_ClosedGate()))

    assert set(reply.content) == {"reply"}
    assert reply.content["reply"]["status"] == "declined"
    assert MARKER not in repr(reply.content)


def test_what_another_device_was_asked_is_not_answered() -> None:
    reply = _send(_request(plan(), device=3).to_record(), _Device(_PAIRS))

    assert reply.content["reply"]["status"] == "bad-request"
