"""Every aggregation method on the real apps, in one process: what travels, what is made of it, and what stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from flwr.app import Message
from numpy.typing import NDArray
from peft import PeftModel
from safetensors.numpy import load_file

from client.device import DeviceError
from client.personal_factors import SealedFactors
from client.training import train_locally
from client.update import training_config
from server.releases import ReleaseError, read_rounds
from server.round_record import RoundRecord
from shared.adapter import AdaptedModel, attach_adapter
from shared.adapter_basis import leading_directions
from shared.adapter_methods import METHODS, Method
from shared.adapter_spec import SUFFIXES, AdapterError
from shared.language_model import load_language_model
from shared.messages import TrainRequest
from shared.plan_terms import PairPrivacyTerms, SecureAggregationTerms, ServerStepTerms, UserPrivacyTerms
from shared.privacy.noise import AesCtrNoise
from shared.round_plan import FederationPlan
from simulations.engines.inline import run_inline
from simulations.engines.wire import Packet, pack
from tests.federation import FewDevices, adapter_vector, method_plan

_METHODS = tuple(METHODS)
_SUMS = tuple(name for name, method in METHODS.items() if method.sums)
_IDS = torch.arange(5, 25)[None]


def _run(path: Path, of: FederationPlan, *, resume: bool = False, stop_after: int = 99) -> list[NDArray[np.float32]]:
    """The states after each round."""
    states: list[NDArray[np.float32]] = []

    def observe(record: RoundRecord) -> None:
        states.append(adapter_vector(path))
        if record.round_number == stop_after:
            raise _StoppedError

    run_inline(of, FewDevices(), directory=path, processes=0, resume=resume, observe=observe)
    return states


class _StoppedError(Exception):
    """The process ends here."""


def _adapted(of: FederationPlan) -> AdaptedModel:
    return attach_adapter(load_language_model(of.model), of.adapter)


def _weights(adapted: AdaptedModel) -> list[NDArray[np.float64]]:
    """What every adapted layer adds to its weight, dense: told by what it does to unit vectors."""
    found = []
    for layer in adapted.layers:
        unit = torch.eye(layer.in_features)
        with torch.no_grad():
            on = layer(unit)
            layer.enable_adapters(False)
        with adapted.disabled(), torch.no_grad():
            off = layer(unit)
        found.append((on - off).double().numpy().T)
    return found


def _clipped(
    of: FederationPlan, adapted: AdaptedModel, state: NDArray[np.float32], number: int, device: int
) -> NDArray[np.float32]:
    update = train_locally(
        adapted, state, FewDevices().pairs(device), training_config(of), noise=AesCtrNoise(bytes(32)), seed=0,
        round_number=number, rank=of.adapter.rank_of(device),
    ).vector  # fmt: skip
    return (update / max(1.0, float(np.linalg.norm(update)) / of.clipping_norm)).astype(np.float32)


def _trained(
    of: FederationPlan, adapted: AdaptedModel, state: NDArray[np.float32], number: int, *, cut: bool = False
) -> list[list[NDArray[np.float64]]]:
    """Each device's model after its local steps, as its clipped update tells it."""
    models = []
    for device in range(4):
        clipped = _clipped(of, adapted, state, number, device)
        adapted.load(state, round_number=number, rank=of.adapter.rank_of(device) if cut else None)
        begun = adapted.read()
        adapted.load((begun + adapted.spec.expand(clipped, number)).astype(np.float32), round_number=number)
        models.append(_weights(adapted))
    return models


@pytest.mark.parametrize("method", [name for name in _METHODS if not METHODS[name].personal])
def test_the_shared_model_is_as_far_from_the_mean_of_the_devices_models_as_is_said(
    tmp_path: Path, method: Method
) -> None:
    """Against dense matrices: the models themselves, and not the factors that the server computed with."""
    of = method_plan(method)
    adapted = _adapted(of)
    state = adapted.read()
    states = _run(tmp_path, of)
    said = [record.aggregation_error for record in read_rounds(tmp_path)]
    for number, following in enumerate(states, start=1):
        models = _trained(of, adapted, state, number)
        mean = [np.mean(layers, axis=0) for layers in zip(*models, strict=True)]
        adapted.load(following)
        missed = sum(float(np.sum((a - b) ** 2)) for a, b in zip(_weights(adapted), mean, strict=True))
        error = np.sqrt(missed / sum(float(np.sum(layer**2)) for layer in mean))
        if METHODS[method].exact:
            assert error < 1e-4
            assert said[number - 1] == pytest.approx(0.0, abs=1e-5)
        elif method != "flexlora" or number > 1:
            assert error > 1e-4
            assert said[number - 1] == pytest.approx(error, rel=0.02)
        state = following


@pytest.mark.parametrize("method", _METHODS)
def test_a_fresh_adapter_of_every_method_says_what_the_model_said_and_peft_loads_a_trained_one(
    tmp_path: Path, method: Method
) -> None:
    of = method_plan(method)
    before = load_language_model(of.model).model(_IDS).logits
    adapted = _adapted(of)
    assert torch.equal(adapted.language_model.model(_IDS).logits, before)

    _run(tmp_path, of)
    adapted.load(adapter_vector(tmp_path))
    with torch.no_grad():
        here = adapted.language_model.model(_IDS).logits
        base = load_language_model(of.model).model
        there = PeftModel.from_pretrained(base, str(tmp_path / "adapter")).eval()(_IDS).logits
    torch.testing.assert_close(there, here, rtol=0, atol=2e-4)
    moved = float((here - before).abs().max())
    assert (moved == 0.0) if method == "fedsa-lora" else (moved > 1e-3)  # its B stays at home
    with adapted.disabled(), torch.no_grad():
        assert torch.equal(adapted.language_model.model(_IDS).logits, before)


@pytest.mark.parametrize("method", _METHODS)
def test_what_a_round_does_not_train_does_not_travel(tmp_path: Path, method: Method) -> None:
    of = method_plan(method, rounds=2)
    adapted = _adapted(of)
    _run(tmp_path, of)
    sizes = [adapted.spec.update_dimension(number) for number in (1, 2)]
    assert adapted.spec.dimension == max(sizes)
    state = adapted.read()
    for number, size in enumerate(sizes, start=1):
        update = np.arange(1, size + 1, dtype=np.float32)
        placed = adapted.spec.expand(update, number)
        np.testing.assert_array_equal(adapted.spec.restrict(placed, number), update)
        assert placed.size == state.size
        assert np.count_nonzero(placed) == size
    if method == "rolora":
        assert sizes[0] != sizes[1]
        assert sum(sizes) == state.size


@pytest.mark.parametrize("method", ["fedsa-lora", "rolora", "fedex-lora"])
def test_a_run_cut_short_goes_on_to_the_same_bytes(tmp_path: Path, method: Method) -> None:
    """With an optimizer that remembers, and factors that stay on devices."""
    optimizer: Literal["adam", "momentum"] = "adam" if method == "rolora" else "momentum"
    of = method_plan(method, rounds=4, step_terms=ServerStepTerms(optimizer=optimizer), server_learning_rate=0.1)
    whole = _run(tmp_path / "whole", of)
    with pytest.raises(_StoppedError):
        _run(tmp_path / "cut", of, stop_after=2)
    rest = _run(tmp_path / "cut", of, resume=True)
    assert len(rest) == 2
    np.testing.assert_array_equal(rest[-1], whole[-1])
    assert not np.array_equal(whole[2], whole[3])


@pytest.mark.parametrize("method", ["ffa-lora", "fedit", "rolora", "fedsvd", "fed-sb", "hetlora", "flora", "flexlora"])
def test_devices_of_a_smaller_rank_send_nothing_beyond_it(tmp_path: Path, method: Method) -> None:
    of = method_plan(method, ranks=("1", "2"))
    adapted = _adapted(of)
    start = _run(tmp_path, of)[0]
    shapes = dict(adapted.spec.parameters)
    for device, rank in ((0, 1), (1, 2)):
        update = train_locally(
            adapted, start, FewDevices().pairs(device), training_config(of), noise=AesCtrNoise(bytes(32)), seed=0,
            round_number=2, rank=of.adapter.rank_of(device),
        )  # fmt: skip
        beyond = within = 0
        for layer, factor, values in adapted.spec.arrays(adapted.spec.expand(update.vector, 2)):
            assert values.shape == shapes[f"{layer}.{SUFFIXES[factor]}"]
            rest = {"a": values[1:], "b": values[:, 1:], "core": values[1:]}.get(factor, values[:0])
            beyond += int(np.count_nonzero(rest))
            within += int(np.count_nonzero(values))
        assert (beyond == 0) == (rank == 1)
        assert within > beyond


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adagrad", "yogi"])
@pytest.mark.parametrize("method", ["fedsvd", "flora"])
def test_server_optimizers_learn_with_methods_of_every_kind(tmp_path: Path, method: Method, optimizer: str) -> None:
    rate = 0.2 if optimizer == "momentum" else 0.02
    terms = ServerStepTerms(optimizer=optimizer, adaptivity=1e-2)  # type: ignore[arg-type]
    of = method_plan(method, rounds=6, step_terms=terms, server_learning_rate=rate)
    _run(tmp_path, of)
    losses = [record.metrics.loss for record in read_rounds(tmp_path) if record.metrics is not None]
    assert losses[-1] < losses[0] - 0.05


def test_the_factors_that_fedsa_keeps_are_in_no_byte_that_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as they are, nor as the change that a round made to them."""
    sent = bytearray()
    kept: list[NDArray[np.float32]] = []

    def watched(message: Message) -> Packet:
        packet = pack(message)
        sent.extend(b"".join(packet.objects.values()))
        return packet

    class _Noted(SealedFactors):
        def keep(self, request: TrainRequest, trained: NDArray[np.float32]) -> None:
            before = self.begin(request)
            kept.extend([trained, trained - (0 if before is None else before)])
            super().keep(request, trained)

    monkeypatch.setattr("simulations.engines.inline.pack", watched)
    monkeypatch.setattr("simulations.engines.devices.SealedFactors", _Noted)
    # Nothing is clipped: what leaked would leak as it is.
    _run(tmp_path, method_plan("fedsa-lora", rounds=3, clipping_norm=1e6))

    assert len(kept) == 2 * 3 * 4
    assert len(sent) > 3 * 4 * 4 * 960
    numbers = {values[place : place + 2].tobytes() for values in kept for place in np.flatnonzero(values[:-1])}
    assert len(numbers) > 1000
    places = range(len(sent) - 7)
    assert not any(bytes(sent[place : place + 8]) in numbers for place in places)
    # It would be seen: the shared factor, which does travel, is.
    state = adapter_vector(tmp_path)
    asked = [state[10:12].tobytes()]
    assert all(found not in numbers for found in asked)


def test_a_device_begins_a_round_that_is_asked_again_where_it_began_before(tmp_path: Path) -> None:
    sealed = SealedFactors(tmp_path, device_key=bytes(32))
    first, again, second = (_request("fedsa-lora", number) for number in (1, 1, 2))
    assert sealed.begin(first) is None
    sealed.keep(first, _numbers(1, 2))
    assert sealed.begin(again) is None
    sealed.keep(again, _numbers(3, 4))
    np.testing.assert_array_equal(sealed.begin(second), [3, 4])
    sealed.keep(second, _numbers(5, 6))
    np.testing.assert_array_equal(sealed.begin(second), [3, 4])
    with pytest.raises(DeviceError, match="later round"):
        sealed.begin(first)
    (file,) = tmp_path.glob("*.factors")
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DeviceError, match="damaged"):
        SealedFactors(tmp_path, device_key=bytes([1]) * 32).begin(second)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DeviceError, match="damaged"):
        sealed.begin(second)


def _numbers(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def _request(method: Method, number: int) -> TrainRequest:
    of = method_plan(method)
    spec = _adapted(of).spec
    return TrainRequest(
        run="0" * 32, device=1, round_number=number, attempt=1, plan=of, spec_digest=spec.digest(),
        base_fingerprint=spec.base_fingerprint, training_seed=0, vector=np.zeros(spec.state_dimension, np.float32),
    )  # fmt: skip


@pytest.mark.parametrize("method", _SUMS)
def test_methods_that_sum_run_under_masks_with_noise_to_the_same_numbers_but_for_it(
    tmp_path: Path, method: Method
) -> None:
    secure = SecureAggregationTerms(dropout=0.0, corrupt=0.0)
    of = method_plan(method, rounds=1, secure_aggregation=secure, sampling="schedule", server_learning_rate=1.0)
    plain = _run(tmp_path / "plain", method_plan(method, rounds=1, sampling="schedule"))[0]
    masked = _run(tmp_path / "masked", of)[0]
    spread = float(np.linalg.norm(plain - _adapted(of).read()))
    assert spread > 0.01
    if method not in ("fedsvd", "fedask"):  # which split the rounded sum in a basis of its own
        assert float(np.linalg.norm(masked - plain)) < 0.02 * spread
    noisy = replace(of, user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=1.0), devices=4)
    noised = _run(tmp_path / "noised", noisy)[0]
    assert float(np.linalg.norm(noised - masked)) > 0.1 * spread


@pytest.mark.parametrize("method", [name for name in _METHODS if METHODS[name].refusal("pair-privacy") is None])
def test_pairs_can_be_private_whatever_factors_are_trained(tmp_path: Path, method: Method) -> None:
    """Each trained layer leaves one gradient a pair, checked before the first step; every number gets its noise."""
    privacy = PairPrivacyTerms(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=0.5)
    of = method_plan(method, pair_privacy=privacy, clipping_norm=1e6)
    adapted = _adapted(of)
    states = [adapted.beginning(), *_run(tmp_path, of)]
    for number in (1, 2):
        update = train_locally(
            adapted, states[number - 1], (), training_config(of), noise=AesCtrNoise(bytes([number]) * 32), seed=0,
            round_number=number,
        ).vector  # fmt: skip
        assert update.size == adapted.spec.update_dimension(number)
        assert np.count_nonzero(update) > 0.99 * update.size
        # z C / L of noise on each number, a step; none of it from a pair, for there was none.
        expected = privacy.noise_multiplier * privacy.max_grad_norm / of.training.max_pairs * np.sqrt(2)
        if method != "fedrot-lora":
            assert float(update.std()) == pytest.approx(expected, rel=0.25)
    assert read_rounds(tmp_path)[0].aggregation_error is None


@pytest.mark.parametrize("method", ["fedsvd", "fedask", "flexlora", "fed-sb"])
def test_a_rank_that_a_layer_is_too_narrow_for_is_refused_when_the_adapter_is_attached(method: Method) -> None:
    of = method_plan(method)
    with pytest.raises(AdapterError, match="narrower than the rank 40"):
        attach_adapter(load_language_model(of.model), replace(of.adapter, rank=40))
    attach_adapter(load_language_model(of.model), replace(of.adapter, rank=40, method="ffa-lora"))


def test_no_error_is_said_where_none_was_measured(tmp_path: Path) -> None:
    for name, changes in (
        ("median", {"step_terms": ServerStepTerms(mean="median")}),
        ("adam", {"step_terms": ServerStepTerms(optimizer="adam"), "server_learning_rate": 0.01}),
        ("ranks", {"ranks": ("1", "2")}),
    ):
        _run(tmp_path / name, method_plan("ffa-lora", rounds=1, **changes))
        assert read_rounds(tmp_path / name)[0].aggregation_error is None


def test_hetloras_weights_are_those_of_the_models_that_devices_really_had(tmp_path: Path) -> None:
    """A device of rank 1 never had the second row: it must not count in its norm, nor in what is averaged."""
    of = method_plan("hetlora", ranks=("1", "2"), rounds=2)
    adapted = _adapted(of)
    first, second = _run(tmp_path, of)
    models = _trained(of, adapted, first, 2, cut=True)
    norms = [[float(np.linalg.norm(layer)) for layer in layers] for layers in models]
    weights = np.array(norms) / np.sum(norms, axis=0)
    clients = []
    for device in range(4):
        adapted.load(first, round_number=2, rank=of.adapter.rank_of(device))
        begun = adapted.read()
        update = _clipped(of, adapted, first, 2, device)
        clients.append((begun + adapted.spec.expand(update, 2)).astype(np.float32))
    for index, (_, factor, got) in enumerate(adapted.spec.arrays(second)):
        layer = index // 2
        parts = [list(adapted.spec.arrays(one))[index][2] for one in clients]
        wanted = sum(weights[device, layer] * part for device, part in enumerate(parts))
        np.testing.assert_allclose(got, wanted, atol=2e-5, err_msg=factor)


def test_a_state_that_no_message_holds_is_refused_before_anyone_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rounds.MAX_SHARED_PARAMETERS", 1000)
    with pytest.raises(ReleaseError, match="flora would send 17,216 numbers down"):
        _run(tmp_path, method_plan("flora"))
    assert not (tmp_path / "ledger.jsonl").exists()


def test_server_devices_and_release_hold_one_basis_of_the_weights_and_only_cores_travel(tmp_path: Path) -> None:
    of = method_plan("fed-sb", rounds=1)
    of = replace(of, adapter=replace(of.adapter, basis="weights"))
    drawn = _adapted(method_plan("fed-sb"))
    fresh = _adapted(of)
    states = _run(tmp_path, of)
    assert fresh.spec.state_dimension == drawn.spec.state_dimension == states[0].size
    fresh.load(states[0])
    released = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    moved = 0.0
    for (name, _), layer in zip(fresh.spec.parameters, fresh.layers, strict=True):
        rows = released[f"base_model.model.{name.replace('lora_R', 'lora_A')}"].astype(np.float64)
        weight = layer.get_base_layer().weight.detach().double().numpy()
        right, _ = leading_directions(weight, np.random.default_rng(0).normal(size=(weight.shape[1], weight.shape[1])))
        kept = right[: 2 * of.adapter.rank]  # those found from another start, and some beyond
        moved += float(np.linalg.norm(rows))
        assert float(np.linalg.norm(rows @ kept.T)) > 0.97 * float(np.linalg.norm(rows))
    assert moved > 0
