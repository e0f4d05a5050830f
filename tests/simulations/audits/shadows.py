"""Small private plans for audits, and the ways in which their mechanisms are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

import client.secure_aggregation
import client.update
import server.central_noise
import server.strategies.adapter_averaging
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import load_language_model
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.privacy.clipping import clip_to_norm
from shared.privacy.distributed_noise import NoiseShare
from shared.privacy.integer_grid import IntegerGrid
from shared.privacy.noise import AesCtrNoise, NoiseSource
from shared.privacy.rounded_gaussian import rounded_gaussian
from shared.privacy.skellam import skellam
from shared.privacy.user_level import noise_for
from shared.round_plan import FederationPlan
from tests.federation import plan

EPSILON = 4.0
_ROW = 8

Break = Callable[[pytest.MonkeyPatch], None]


def central_plan(*, participations: int = 1) -> FederationPlan:
    """ε = 4 by noise that the server adds."""
    noise = noise_for(epsilon=EPSILON, delta=1e-5, mechanism="gaussian", participations=participations)
    terms = UserPrivacyTerms(mechanism="gaussian", noise_multiplier=noise, participations=participations)
    return replace(plan(rounds=4, cohort_size=10, devices=40), sampling="schedule", user_privacy=terms)


def banded_plan() -> FederationPlan:
    """ε = 4 over a run by correlated noise."""
    noise = noise_for(epsilon=EPSILON, delta=1e-5, mechanism="banded-gaussian", participations=3)
    terms = UserPrivacyTerms(mechanism="banded-gaussian", noise_multiplier=noise, participations=3, separation=2)
    return replace(plan(rounds=6, cohort_size=10, devices=20), sampling="schedule", user_privacy=terms)


def secure_plan(*, participations: int = 1) -> FederationPlan:
    """ε = 4 by noise that 14 of 20 devices, 2 of them not honest, add under masks."""
    secure = SecureAggregationTerms()
    noise = noise_for(epsilon=EPSILON, delta=1e-5, mechanism="skellam", participations=participations, contributors=12)
    terms = UserPrivacyTerms(mechanism="skellam", noise_multiplier=noise, participations=participations)
    whole = plan(rounds=2 * participations, cohort_size=20, devices=40)
    return replace(whole, sampling="schedule", user_privacy=terms, secure_aggregation=secure)


@cache
def adapted() -> AdaptedModel:
    """The model of these plans, its adapter fresh."""
    of = plan()
    return attach_adapter(load_language_model(of.model), of.adapter)


def seed_secrets(patch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """What these modules take from the operating system comes from a seed: a test of chance must not depend on it."""
    generator = np.random.default_rng(20)
    seeded = SimpleNamespace(token_bytes=generator.bytes, token_hex=lambda size: generator.bytes(size).hex())
    for module in modules:
        patch.setattr(module, "secrets", seeded)


def forget_central_noise(patch: pytest.MonkeyPatch) -> None:
    """The server adds nothing."""
    nothing = SimpleNamespace(draw=lambda size, source: np.zeros(size, dtype=np.int64))
    patch.setattr(server.central_noise, "rounded_gaussian", lambda sigma: nothing)


def halve_central_noise(patch: pytest.MonkeyPatch) -> None:
    """The server adds half of it."""
    patch.setattr(server.central_noise, "rounded_gaussian", lambda sigma: rounded_gaussian(sigma / 2))


def reuse_central_noise(patch: pytest.MonkeyPatch) -> None:
    """The server draws every round's noise from one key."""

    def always_the_same(sigma: float) -> SimpleNamespace:
        table = rounded_gaussian(sigma)
        return SimpleNamespace(draw=lambda size, source: table.draw(size, AesCtrNoise(bytes(32))))

    patch.setattr(server.central_noise, "rounded_gaussian", always_the_same)


def clip_rows_on_devices(patch: pytest.MonkeyPatch) -> None:
    """Devices clip each row of their update to the norm that the whole may have."""
    patch.setattr(client.update, "clip_to_norm", _clip_rows)


def clip_rows_everywhere(patch: pytest.MonkeyPatch) -> None:
    """And nobody behind them checks the whole."""
    clip_rows_on_devices(patch)
    patch.setattr(server.strategies.adapter_averaging, "_NORM_TOLERANCE", float("inf"))
    patch.setattr(IntegerGrid, "encode", _encode_as_it_comes)


def forget_shares(patch: pytest.MonkeyPatch) -> None:
    """Devices add nothing."""
    patch.setattr(NoiseShare, "draw", lambda self, size, source: np.zeros(size, dtype=np.int64))


def halve_shares(patch: pytest.MonkeyPatch) -> None:
    """Devices add half of their part."""
    patch.setattr(NoiseShare, "draw", lambda self, size, source: skellam(self.variance / 4).draw(size, source))


def share_one_key(patch: pytest.MonkeyPatch) -> None:
    """All devices draw their noise from one key, another in every round."""
    rounds: dict[tuple[str, int], bytes] = {}
    entered = client.secure_aggregation.SecureSessions._enter

    def enter(self: object, request: SimpleNamespace, update: NDArray[np.float32]) -> bytes:
        key = rounds.setdefault((request.run, request.round_number), np.random.default_rng(len(rounds)).bytes(32))
        patch.setattr(client.secure_aggregation, "AesCtrNoise", lambda _: AesCtrNoise(key))
        return entered(self, request, update)  # type: ignore[arg-type]

    patch.setattr(client.secure_aggregation.SecureSessions, "_enter", enter)


def keep_one_key_a_device(patch: pytest.MonkeyPatch) -> None:
    """Every device draws the noise of all its rounds from one key of its own."""
    entered = client.secure_aggregation.SecureSessions._enter

    def enter(self: object, request: SimpleNamespace, update: NDArray[np.float32]) -> bytes:
        key = request.device.to_bytes(32, "big")
        patch.setattr(client.secure_aggregation, "AesCtrNoise", lambda _: AesCtrNoise(key))
        return entered(self, request, update)  # type: ignore[arg-type]

    patch.setattr(client.secure_aggregation.SecureSessions, "_enter", enter)


def _clip_rows(vector: NDArray[np.float32], clipping_norm: float) -> NDArray[np.float32]:
    rows = [vector[start : start + _ROW] for start in range(0, vector.size, _ROW)]
    return np.concatenate([clip_to_norm(row, clipping_norm) for row in rows])


def _encode_as_it_comes(self: IntegerGrid, vector: NDArray[np.float32], source: NoiseSource) -> NDArray[np.int64]:
    scaled = vector.astype(np.float64) * (self.scale / self.clipping_norm)
    return np.floor(scaled + source.uniform(self.dimension)).astype(np.int64)
