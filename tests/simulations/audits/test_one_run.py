"""Pair-level audits on the real DP-SGD: it holds, and each way to break it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from opacus.optimizers.optimizer import _mark_as_processed

import client.update
import simulations.audits.pair_shadow
from client.private_step import ExplicitNoiseOptimizer
from shared.privacy.noise import AesCtrNoise
from simulations.audits.one_run import default_canaries, judge_pairs, shadow_claim
from simulations.audits.pair_shadow import canary_pairs, run_pair_shadow
from tests.federation import plan
from tests.simulations.audits.shadows import Break, adapted, seed_secrets

_NOISE = 0.6


@pytest.fixture(autouse=True)
def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    seed_secrets(monkeypatch, simulations.audits.pair_shadow)


def _audited(*, participations: int = 1) -> tuple[float, float]:
    """ε that is claimed, and ε at least."""
    of = plan(rounds=participations, private=True)
    assert of.pair_privacy is not None
    of = replace(of, pair_privacy=replace(of.pair_privacy, noise_multiplier=_NOISE * participations**0.5))
    claim = shadow_claim(of, participations=participations)
    shadow = run_pair_shadow(
        of,
        adapted(),
        canaries=default_canaries(claim, of.delta),
        participations=participations,
        seed=0,
    )
    assert shadow.gradient_over_clip >= 2
    assert 0.35 < float(shadow.included.mean()) < 0.65
    return claim, judge_pairs(shadow, delta=of.delta).epsilon_at_least(of.delta)


def _noise_times(factor: float) -> Callable[[ExplicitNoiseOptimizer], None]:
    def add_noise(self: ExplicitNoiseOptimizer) -> None:
        scale = self.noise_multiplier * self.max_grad_norm * factor
        for parameter in self.params:
            drawn = torch.from_numpy(self._noise.normal(parameter.numel()) * scale).to(parameter.dtype)
            parameter.grad = parameter.summed_grad.reshape(parameter.shape) + drawn.reshape(parameter.shape)

    return add_noise


def _forget_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ExplicitNoiseOptimizer, "add_noise", _noise_times(0.0))


def _halve_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ExplicitNoiseOptimizer, "add_noise", _noise_times(0.5))


def _clip_rows(patch: pytest.MonkeyPatch) -> None:
    """Each row of each matrix has the norm that a pair's whole gradient may have."""

    def clip_and_accumulate(self: ExplicitNoiseOptimizer) -> None:
        for parameter in self.params:
            sample = parameter.grad_sample
            norms = sample.norm(dim=-1, keepdim=True)
            clipped = (sample * (self.max_grad_norm / (norms + 1e-6)).clamp(max=1)).sum(dim=0)
            parameter.summed_grad = clipped if parameter.summed_grad is None else parameter.summed_grad + clipped
            _mark_as_processed(parameter.grad_sample)

    patch.setattr(ExplicitNoiseOptimizer, "clip_and_accumulate", clip_and_accumulate)


def _share_one_key(patch: pytest.MonkeyPatch) -> None:
    """All devices draw from one key."""

    class Reused(AesCtrNoise):
        @classmethod
        def for_release(cls, device_key: bytes, release: bytes) -> AesCtrNoise:
            return AesCtrNoise(bytes(32))

    patch.setattr(client.update, "AesCtrNoise", Reused)


class _KeptNoise(AesCtrNoise):
    """Pairs are drawn from one stream, and noise from another: who has a pair more has no other noise."""

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self._noise = AesCtrNoise(key)

    @classmethod
    def for_release(cls, device_key: bytes, release: bytes) -> AesCtrNoise:
        return cls(device_key)

    def normal(self, size: int) -> NDArray[np.float64]:
        return self._noise.normal(size)


def _keep_one_key(patch: pytest.MonkeyPatch) -> None:
    """A device draws the noise of all its rounds from its key alone, whatever was asked and trained on."""
    patch.setattr(client.update, "AesCtrNoise", _KeptNoise)


@pytest.mark.slow
def test_dp_sgd_holds() -> None:
    claim, found = _audited()
    assert 0.5 < found <= claim


@pytest.mark.slow
@pytest.mark.parametrize("broken", [_forget_noise, _halve_noise, _clip_rows, _share_one_key])
def test_broken_dp_sgd_is_found(broken: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    claim, found = _audited()
    assert found > claim


@pytest.mark.slow
def test_noise_that_a_device_keeps_is_found_by_pairs_that_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    claim, found = _audited(participations=2)
    assert found <= claim
    _keep_one_key(monkeypatch)
    claim, found = _audited(participations=2)
    assert found > claim


def test_canary_pairs_are_as_the_seed_says_and_all_different() -> None:
    pairs = canary_pairs(20, seed=1)
    assert pairs == canary_pairs(20, seed=1)
    assert pairs != canary_pairs(20, seed=2)
    assert len(set(pairs)) == 20
    assert np.unique([len(pair.prompt) for pair in pairs]).tolist() == [1]
