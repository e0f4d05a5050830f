from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from client.prepared_pairs import CostMeter, prepare_pairs
from client.training import TrainingConfig, take_plain_step
from server.releases import read_rounds
from shared.adapter import attach_adapter
from shared.adapter_methods import Method
from shared.adapter_spec import AdapterConfig
from shared.flat_config import ConfigError
from shared.language_model import load_language_model
from shared.messages import TrainReply, TrainRequest
from shared.plan_terms import UserPrivacyTerms
from shared.round_plan import FederationPlan
from simulations.engines.cohort_gradients import gradients_by_device
from simulations.engines.inline import default_together, run_inline
from simulations.engines.together import can_train_together
from simulations.engines.wire import Packet, unpack
from simulations.engines.workers import Handle
from tests.federation import FewDevices, adapter_vector, method_plan, plan


@pytest.mark.parametrize("rows", [1, 3, 16])
@pytest.mark.parametrize("method", ["ffa-lora", "fedit", "fed-sb"])
def test_common_passes_give_each_device_its_own_gradient(method: Method, rows: int) -> None:
    adapted = attach_adapter(load_language_model(plan().model), AdapterConfig(rank=2, method=method))
    generator = np.random.default_rng(0)
    adapted.load((adapted.beginning() + 0.1 * generator.standard_normal(len(adapted.beginning()))).astype(np.float32))
    config = TrainingConfig(max_prompt_tokens=64, max_completion_tokens=32)
    population = FewDevices(devices=5)
    devices = [
        prepare_pairs(adapted, population.pairs(index), config.limits(), meter=CostMeter()) for index in range(5)
    ]

    found = gradients_by_device(adapted, devices, config, rows_per_pass=rows)

    assert all(parameter.grad is None for parameter in adapted.shared_parameters())
    for own, together in zip(devices, found, strict=True):
        alone = take_plain_step(adapted, own, config, CostMeter())
        for parameter, gradient in zip(adapted.shared_parameters(), together.gradients, strict=True):
            expected = parameter.grad
            assert expected is not None
            torch.testing.assert_close(gradient, expected, atol=1e-6 * float(expected.abs().max()) + 1e-9, rtol=1e-4)
            parameter.grad = None
        torch.testing.assert_close(together.loss.total.sum(), alone.total.sum(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.loss.margin.sum(), alone.margin.sum(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("together", [2, 3, 64])
def test_devices_that_train_together_give_the_adapter_of_devices_alone(tmp_path: Path, together: int) -> None:
    of = plan(rounds=3, cohort_size=5, devices=6)
    population = FewDevices(devices=6, without_pairs=(1,), failing=(2,))
    threads = threading.active_count()

    run_inline(of, population, directory=tmp_path / "alone", processes=0, together=1)
    run_inline(of, population, directory=tmp_path / "together", together=together)

    moved = adapter_vector(tmp_path / "alone")
    assert np.abs(moved).max() > 1e-3
    np.testing.assert_allclose(adapter_vector(tmp_path / "together"), moved, atol=1e-5)
    alone, shared = read_rounds(tmp_path / "alone"), read_rounds(tmp_path / "together")
    assert [(one.replies, one.no_pairs, one.failures) for one in shared] == [
        (one.replies, one.no_pairs, one.failures) for one in alone
    ]
    for one, other in zip(shared, alone, strict=True):
        assert one.metrics is not None
        assert other.metrics is not None
        assert one.metrics.loss == pytest.approx(other.metrics.loss, rel=1e-5)
        assert one.metrics.accuracy == other.metrics.accuracy
        assert one.metrics.pairs == other.metrics.pairs
    assert threading.active_count() == threads


def test_private_users_who_train_together_say_what_they_say_alone(tmp_path: Path) -> None:
    terms = UserPrivacyTerms(mechanism="gaussian", noise_multiplier=1.0)
    of = replace(plan(rounds=1, cohort_size=6, devices=6), user_privacy=terms, sampling="schedule")
    population = FewDevices(devices=6, without_pairs=(1,), failing=(2,))
    said: dict[int, dict[int, NDArray[np.float32]]] = {}

    for together in (1, 4):
        heard = said.setdefault(together, {})

        def overhear(
            open_client: Callable[[], Handle], heard: dict[int, NDArray[np.float32]] = heard
        ) -> Callable[[], Handle]:
            handle = open_client()

            def handle_and_note(packet: Packet) -> Packet:
                reply = handle(packet)
                request = TrainRequest.from_record(unpack(packet).content)
                found = TrainReply.from_record(unpack(reply).content, dimension=len(request.vector), private=True)
                assert found.vector is not None
                heard[request.device] = found.vector
                return reply

            return lambda: handle_and_note

        directory = tmp_path / str(together)
        run_inline(of, population, directory=directory, processes=0, together=together, tamper=overhear)

    assert set(said[1]) == set(said[4]) == set(range(6))
    for device, vector in said[1].items():
        np.testing.assert_allclose(said[4][device], vector, atol=1e-6)
        assert np.any(vector) == (device not in (1, 2))


def test_a_cohort_takes_fewer_passes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []

    def count(module: torch.nn.Module, inputs: object) -> None:
        if module.__class__.__name__ == "LlamaForCausalLM":
            passes.append(1)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    try:
        of = plan(rounds=1, cohort_size=6, devices=6)
        run_inline(of, FewDevices(devices=6), directory=tmp_path / "alone", processes=0, together=1)
        alone = len(passes)
        passes.clear()
        run_inline(of, FewDevices(devices=6), directory=tmp_path / "together", together=6)
    finally:
        hook.remove()
    assert len(passes) < alone


@pytest.mark.parametrize(
    "changed",
    [
        plan(private=True),
        method_plan("ffa-lora", steps=2),
        method_plan("fedsa-lora"),
        method_plan("hetlora", steps=1, ranks=("1", "2")),
    ],
)
def test_plans_that_cannot_share_passes_are_refused(tmp_path: Path, changed: FederationPlan) -> None:
    assert not can_train_together(changed)
    assert default_together(replace(changed, model=replace(changed.model, device="cuda"))) == 1
    with pytest.raises(ConfigError, match=r"run\.batched-clients: these devices cannot share passes"):
        run_inline(changed, FewDevices(), directory=tmp_path / "run", together=2)


def test_workers_and_common_passes_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"leave run\.processes out"):
        run_inline(plan(), FewDevices(), directory=tmp_path / "run", together=2, processes=1)


def test_passes_are_shared_by_default_with_cuda_alone() -> None:
    of = plan()
    assert default_together(of) == 1
    assert default_together(replace(of, model=replace(of.model, device="cuda"))) == 64
