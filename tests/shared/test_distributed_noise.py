"""Distributed noise: what it is accounted as, against exact divergences and the Gaussian; and that sums have it."""

from __future__ import annotations

import math
import os

import mpmath
import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, SelfComposedDpEvent, ZCDpEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from shared.privacy.composition import rdp_epsilon, total_epsilon
from shared.privacy.distributed_noise import (
    NoiseShare,
    discrete_gaussian_event,
    distributed_event,
    skellam_event,
)
from shared.privacy.integer_grid import IntegerGrid
from shared.privacy.mechanisms import DISTRIBUTED as MECHANISMS
from shared.privacy.mechanisms import DistributedMechanism
from shared.privacy.noise import AesCtrNoise
from shared.secagg.sum_encoding import SumEncoding


def _skellam_masses(variance: float, reach: int) -> list[mpmath.mpf]:
    half = [mpmath.exp(-variance) * mpmath.besseli(k, mpmath.mpf(variance)) for k in range(reach + 1)]
    return [*reversed(half[1:]), *half]


@pytest.mark.parametrize(("shift", "variance"), [(1, 1.0), (3, 4.0), (10, 100.0), (20, 100.0), (5, 2.0)])
def test_the_skellam_bound_is_above_the_exact_divergence(shift: int, variance: float) -> None:
    """In one dimension, where everything can be summed: at every order, and for ε at δ = 1e-5 itself."""
    with mpmath.workprec(200):
        masses = _skellam_masses(variance, 40 + shift + int(20 * math.sqrt(variance)))
        here, there = masses[shift:], masses[: len(masses) - shift]
        event = skellam_event(l2=shift, l1=shift, variance=variance)
        for order in (2, 3, 5, 8, 16):
            exact = mpmath.log(mpmath.fsum(p**order * q ** (1 - order) for p, q in zip(here, there, strict=True)))
            exact /= order - 1
            assert exact <= event.xi + event.rho * order
        claimed = total_epsilon([event], delta=1e-5)
        delta = mpmath.fsum(max(0, p - mpmath.exp(claimed) * q) for p, q in zip(here, there, strict=True))
        assert delta <= 1e-5


@pytest.mark.parametrize(("sigma", "members"), [(0.6, 2), (0.6, 7), (0.8, 5), (1.0, 3)])
def test_sums_of_discrete_gaussians_are_as_near_to_one_as_the_lemma_says(sigma: float, members: int) -> None:
    with mpmath.workprec(300):
        reach = int(14 * sigma * members)
        one = [mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * sigma**2)) for k in range(-reach, reach + 1)]
        total = mpmath.fsum(one)
        exact = {k - reach: mass / total for k, mass in enumerate(one)}
        sums = exact
        for _ in range(members - 1):
            inner = range(-3 * int(sigma * members + 1), 3 * int(sigma * members + 1) + 1)
            sums = {k: mpmath.fsum(sums.get(k - j, 0) * exact[j] for j in exact) for k in inner}
        spread = members * sigma**2
        normal = mpmath.fsum(mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * spread)) for k in range(-reach, reach + 1))
        bound = 5 * sum(math.exp(-2 * math.pi**2 * sigma**2 * k / (k + 1)) for k in range(1, members))
        for k in range(-int(sigma * members) - 1, int(sigma * members) + 2):
            ratio = mpmath.log(sums[k] * normal / mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * spread)))
            assert abs(ratio) <= bound


@settings(max_examples=1000)
@example(dimension=2**28, noise_multiplier=0.125, order=2)
@given(
    dimension=st.integers(1, 2**28),
    noise_multiplier=st.floats(0.05, 20),
    order=st.sampled_from([2, 3, 8, 64, 512]),
)
def test_what_is_claimed_for_every_dimension_holds_for_each(
    dimension: int, noise_multiplier: float, order: int
) -> None:
    """The published bound of the dimension's own grid, order by order, is never above it."""
    l2 = IntegerGrid(dimension=dimension, clipping_norm=1.0).norm_bound
    l1, variance = min(math.sqrt(dimension) * l2, l2**2), (noise_multiplier * l2) ** 2
    correction = min(((2 * order - 1) * l2**2 + 6 * l1) / (4 * variance**2), 3 * l1 / (2 * variance))
    claimed = distributed_event("skellam", noise_multiplier=noise_multiplier, contributors=10)

    assert order * l2**2 / (2 * variance) + correction <= (claimed.xi + claimed.rho * order) * (1 + 1e-12)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("noise_multiplier", [0.4, 1.0, 4.0])
def test_it_costs_hardly_more_than_the_gaussian_by_the_same_accountant(
    mechanism: DistributedMechanism, noise_multiplier: float
) -> None:
    event = distributed_event(mechanism, noise_multiplier=noise_multiplier, contributors=500)
    gaussian = rdp_epsilon(GaussianDpEvent(noise_multiplier), delta=1e-6)
    mine = rdp_epsilon(event, delta=1e-6)

    assert gaussian is not None
    assert mine is not None
    assert gaussian <= mine <= 1.002 * gaussian


def test_the_reference_figures_are_met() -> None:
    """ε at δ = 1e-6, z = 1, d = 100,000: 5.22 Gaussian and 5.25 Skellam in an independent prototype."""
    grid = IntegerGrid(dimension=100_000, clipping_norm=1.0)
    l2 = grid.norm_bound
    event = skellam_event(l2=l2, l1=math.sqrt(grid.dimension) * l2, variance=grid.scale**2)

    assert rdp_epsilon(GaussianDpEvent(1.0), delta=1e-6) == pytest.approx(5.222, abs=0.01)
    assert rdp_epsilon(event, delta=1e-6) == pytest.approx(5.254, abs=0.02)


def test_too_coarse_a_grid_costs_what_it_should() -> None:
    """Noise of a few units is far from Gaussian, and is not accounted as if it were."""
    gaussian = rdp_epsilon(GaussianDpEvent(1.0), delta=1e-6)
    coarse, coarser = (total_epsilon([skellam_event(l2=l2, l1=l2**2, variance=l2**2)], delta=1e-6) for l2 in (4, 2))

    assert gaussian is not None
    assert 1.05 * gaussian < coarse < coarser


def test_distributed_and_central_noise_compose() -> None:
    skellam = distributed_event("skellam", noise_multiplier=1.0, contributors=10)
    together = total_epsilon([skellam, SelfComposedDpEvent(GaussianDpEvent(1.0), 3)], delta=1e-6)
    four = rdp_epsilon(SelfComposedDpEvent(GaussianDpEvent(1.0), 4), delta=1e-6)

    assert four is not None
    assert four <= together <= 1.01 * four


def test_an_event_without_a_finite_epsilon_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite epsilon"):
        total_epsilon([ZCDpEvent(rho=math.inf)], delta=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_shares_of_the_least_cohort_are_the_noise_that_is_claimed(mechanism: DistributedMechanism) -> None:
    """Two-sided: two thirds and three halves of it are told apart."""
    share = NoiseShare(mechanism=mechanism, noise_multiplier=0.8, norm_bound=300.0, contributors=12)
    total = sum(share.draw(20_000, AesCtrNoise(os.urandom(32))) for _ in range(share.contributors))
    jittered = np.asarray(total) + np.random.default_rng(0).uniform(-0.5, 0.5, 20_000)

    assert stats.kstest(jittered / (0.8 * 300), "norm").pvalue > 1e-5
    for wrong in (2 / 3, 3 / 2):
        assert stats.kstest(jittered / (wrong * 0.8 * 300), "norm").pvalue < 1e-12


@pytest.mark.parametrize(
    "what", [{"contributors": 0}, {"noise_multiplier": 0.0}, {"mechanism": "discrete-gaussian", "norm_bound": 2.0}]
)
def test_noise_that_cannot_be_accounted_is_refused(what: dict[str, object]) -> None:
    terms: dict[str, object] = {"mechanism": "skellam", "noise_multiplier": 1.0, "norm_bound": 300.0, "contributors": 5}
    with pytest.raises(ValueError, match="noise"):
        NoiseShare(**{**terms, **what})  # type: ignore[arg-type]


@pytest.mark.parametrize("members", [2, 1000])
def test_the_distance_of_discrete_gaussian_sums_is_negligible_where_they_are_allowed(members: int) -> None:
    assert discrete_gaussian_event(noise_multiplier=1.0, contributors=members).xi < 1e-4


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("mechanism", [None, *MECHANISMS])
def test_a_sum_of_encoded_updates_is_their_sum_with_the_noise_it_should_have(
    mechanism: DistributedMechanism | None, rotated: bool
) -> None:
    members, dimension = 8, 3000
    encoding = SumEncoding(
        dimension=dimension,
        clipping_norm=0.5,
        members=members,
        contributors=5,
        mechanism=mechanism,
        noise_multiplier=0.0 if mechanism is None else 1.5,
        rotation_seed=b"public" if rotated else None,
    )
    generator = np.random.default_rng(3)
    updates = [generator.normal(size=dimension).astype(np.float32) for _ in range(members)]
    updates = [0.5 * update / np.linalg.norm(update) for update in updates]
    modulus = 1 << encoding.bits
    total = np.zeros(encoding.encoded_dimension, dtype=np.int64)
    for update in updates:
        encoded = encoding.encode(update, AesCtrNoise(os.urandom(32)))
        assert encoded.max() < modulus
        total += encoded
    centred = (total + modulus // 2) % modulus - modulus // 2
    error = encoding.decode(centred) - np.sum(updates, axis=0)

    if mechanism is None:
        assert np.abs(error).max() < 1e-4
    else:
        ratio = error.std() / encoding.noise_std(members)
        assert 0.95 < ratio < 1.05
        assert encoding.noise_std(5) == pytest.approx(1.5 * 0.5 * encoding.grid.norm_bound / encoding.grid.scale)
