from __future__ import annotations

import math
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from server.central_noise import (
    NOISE_STATE_FILE,
    CentralBandedGaussian,
    CentralGaussian,
    NoiseStateError,
    open_mechanism,
)
from shared.plan_terms import UserPrivacyTerms
from shared.privacy.banded_noise import BandedToeplitz
from shared.privacy.clipping import l2_norm
from shared.privacy.integer_grid import IntegerGrid
from shared.privacy.noise import SeededTestNoise
from shared.round_plan import FederationPlan

_D = 2000
_TERMS = UserPrivacyTerms(noise_multiplier=1.5, participations=1)


def _grid(norm: float = 0.5) -> IntegerGrid:
    return IntegerGrid(dimension=_D, clipping_norm=norm)


def _update(seed: int, norm: float = 0.5) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).normal(size=_D).astype(np.float32)
    return (vector * np.float32(norm / l2_norm(vector) * 0.999)).astype(np.float32)


@pytest.mark.parametrize("cohort", [0, 1, 40])
def test_noise_has_the_planned_scale_and_no_other_however_many_answered(cohort: int) -> None:
    mechanism = CentralGaussian(_TERMS, _grid())
    updates = [_update(seed) for seed in range(cohort)]
    expected = np.sum(updates, axis=0) if updates else np.zeros(_D)

    noise = np.concatenate([mechanism.release(updates) - expected for _ in range(10)])

    scale = _TERMS.noise_multiplier * 0.5
    # Rounding of the updates adds a little, known and far below the noise.
    assert mechanism.noise_std == pytest.approx(scale, rel=0.02)
    assert stats.kstest(noise / mechanism.noise_std, "norm").pvalue > 1e-4
    for wrong in (2 / 3, 3 / 2):
        assert stats.kstest(noise / (wrong * scale), "norm").pvalue < 1e-12


def test_no_release_shares_noise_with_another() -> None:
    mechanism = CentralGaussian(_TERMS, _grid())
    first, second = mechanism.release([]), mechanism.release([])

    assert abs(float(first @ second)) / (l2_norm(first) * l2_norm(second)) < 6 / math.sqrt(_D)


def test_an_update_above_the_norm_counts_as_one_at_it() -> None:
    grid = _grid()
    mechanism = CentralGaussian(_TERMS, grid, new_noise=lambda: SeededTestNoise(0))
    lie = _update(0, norm=0.5) * np.float32(100)

    moved = mechanism.release([lie]) - mechanism.release([])
    # The same noise words are not drawn twice here: what is left is within the bound and the noise's difference.
    assert l2_norm(grid.decode(grid.encode(lie, SeededTestNoise(1)))) <= 0.5 * grid.norm_bound / grid.scale * (1 + 1e-9)
    assert l2_norm(moved) < 0.5 + 2 * 6 * mechanism.noise_std * math.sqrt(_D)


_BANDED = UserPrivacyTerms(mechanism="banded-gaussian", noise_multiplier=1.5, participations=2, separation=3)


def _banded(path: Path | None = None, *, released: int = 0) -> CentralBandedGaussian:
    return CentralBandedGaussian(
        _BANDED, _grid(), rounds=6, released=released, state_file=None if path is None else path / NOISE_STATE_FILE
    )


def test_correlated_noise_is_the_matrix_mechanism() -> None:
    """C times the releases is the exact sums plus independent noise of the planned scale: a KS test on xi."""
    factor = BandedToeplitz(bands=3)
    residuals: list[NDArray[np.float64]] = []
    for run in range(4):
        mechanism = _banded()
        updates = [[_update(10 * run + t)] for t in range(6)]
        noise = [mechanism.release(said) - said[0] for said in updates]
        for t in range(6):
            back = range(min(t, 2) + 1)
            residuals.append(np.sum([factor.numerators[j] * noise[t - j] for j in back], axis=0))
    scale = 1.5 * 0.5 * factor.sensitivity(2)
    drawn = np.concatenate(residuals)
    assert stats.kstest(drawn / scale, "norm").pvalue > 1e-4
    for wrong in (2 / 3, 3 / 2):
        assert stats.kstest(drawn / (wrong * scale), "norm").pvalue < 1e-12
    first, second = np.concatenate(residuals[::6]), np.concatenate(residuals[1::6])
    assert abs(np.corrcoef(first, second)[0, 1]) < 6 / math.sqrt(len(first))


def test_the_last_rounds_noise_is_stated_as_it_is() -> None:
    spread = []
    for _ in range(3):
        mechanism = _banded()
        released = [mechanism.release([]) for _ in range(4)]
        spread.append(released[-1].std())
    assert np.mean(spread) == pytest.approx(mechanism.noise_std, rel=0.05)


@pytest.mark.parametrize("cut", range(1, 6))
def test_a_killed_run_goes_on_with_the_same_matrix(tmp_path: Path, cut: int) -> None:
    """To the bit: with the noise of every round given, a run in two processes releases what one in one does."""

    def opened(path: Path, released: int) -> CentralBandedGaussian:
        seeds = count(released)
        return CentralBandedGaussian(
            _BANDED, _grid(), rounds=6, released=released, state_file=path / NOISE_STATE_FILE,
            new_noise=lambda: SeededTestNoise(next(seeds)),
        )  # fmt: skip

    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir()
    parted.mkdir()
    one, other = opened(whole, 0), opened(parted, 0)
    for t in range(6):
        if t == cut:  # another process: only the file is left
            other = opened(parted, cut)
        assert np.array_equal(one.release([_update(t)]), other.release([_update(t)]))


def test_a_round_noised_and_not_released_before_a_kill_is_noised_anew(tmp_path: Path) -> None:
    mechanism = _banded(tmp_path)
    mechanism.release([_update(0)])
    lost = mechanism.release([_update(1)])  # killed before it was released

    again = _banded(tmp_path, released=1).release([_update(1)])

    assert abs(float((again - _update(1)) @ (lost - _update(1)))) < 0.9 * l2_norm(lost - _update(1)) ** 2
    assert not np.array_equal(again, lost)


def test_without_its_memory_correlated_noise_does_not_go_on(tmp_path: Path) -> None:
    _banded(tmp_path).release([])
    state = tmp_path / NOISE_STATE_FILE
    assert state.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NoiseStateError, match="cannot go on"):
        _banded(tmp_path, released=4)
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NoiseStateError, match="cannot go on"):
        _banded(tmp_path, released=1)
    state.write_bytes(whole)
    state.chmod(0o644)
    with pytest.raises(NoiseStateError, match="read by others"):
        _banded(tmp_path, released=1)
    state.unlink()
    with pytest.raises(NoiseStateError, match="cannot go on"):
        _banded(tmp_path, released=1)


def test_a_plan_opens_its_own_mechanism(tmp_path: Path) -> None:
    def opened(plan: FederationPlan) -> object:
        return open_mechanism(plan, dimension=_D, released=0, state_file=tmp_path / NOISE_STATE_FILE)

    plan = FederationPlan(user_privacy=_TERMS, sampling="schedule")
    assert opened(FederationPlan()) is None
    assert isinstance(opened(plan), CentralGaussian)
    assert isinstance(opened(replace(plan, user_privacy=_BANDED, attempts=1)), CentralBandedGaussian)
    with pytest.raises(ValueError, match="sigma must be"):
        opened(replace(plan, user_privacy=replace(_TERMS, noise_multiplier=1e6)))
