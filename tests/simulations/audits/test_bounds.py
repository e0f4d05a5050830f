"""Bounds: their coverage and their power on the pure mechanism, and figures of the papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.audits.canary_directions import CanaryDirections
from simulations.audits.confidence import FAMILY_WISE, share_of_error
from simulations.audits.matched_filter import matched_filter, noise_covariance
from simulations.audits.one_run_bound import Guesses, best_bound, ceiling, epsilon_at_least, guess, p_value
from simulations.audits.roc import (
    auc,
    auc_at_least,
    clopper_pearson,
    epsilon_of_auc,
    epsilon_of_rates,
    most_auc,
    most_true_positives,
    true_positives_at,
)
from simulations.audits.shift_bound import bound_shift, canaries_needed, epsilon_of_shift, shift_of_epsilon

_DELTA = 1e-5


def _one_shot(noise: float, *, canaries: int, held_out: int, generator: np.random.Generator) -> tuple[object, object]:
    """Scores of the Gaussian mechanism itself on a sum of canaries of norm 1."""
    directions = CanaryDirections(1024, wanted=canaries + held_out, seed=int(generator.integers(2**31)))
    released = sum(directions.vector(index) for index in range(canaries)) + noise * generator.standard_normal(1024)
    scores = directions.scores(np.asarray(released))
    return scores[:canaries], scores[canaries:]


@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
def test_a_bound_is_rarely_above_the_truth_of_the_gaussian_mechanism(noise: float) -> None:
    generator = np.random.default_rng(0)
    trials = [
        bound_shift(*_one_shot(noise, canaries=60, held_out=200, generator=generator), error=0.1, centred=True)  # type: ignore[arg-type]
        for _ in range(400)
    ]

    too_high = sum(one.lower > 1 / noise for one in trials)
    # At most one in ten, or 40; 58 and more of 400 would happen once in a thousand.
    assert too_high <= 58
    # And not because it never says anything: the bound is near the truth where that is far from 0.
    assert noise > 1 or float(np.mean([one.lower for one in trials])) > 0.5 / noise


def test_a_bound_without_a_known_mean_is_rarely_too_high_either() -> None:
    generator = np.random.default_rng(1)
    too_high = sum(
        bound_shift(generator.normal(1, 1, 40), generator.normal(0, 1, 40), error=0.1).lower > 1 for _ in range(1000)
    )
    assert too_high <= 130


@pytest.mark.parametrize("epsilon", [1.0, 4.0, 8.0])
def test_so_many_canaries_as_are_asked_for_show_half_the_noise(epsilon: float) -> None:
    claimed, error = shift_of_epsilon(epsilon, _DELTA), share_of_error(4)
    needed = canaries_needed(claimed, error=error, held_out=1000)
    generator = np.random.default_rng(2)

    def found(shift: float) -> int:
        bounds = (
            bound_shift(generator.normal(shift, 1, needed), generator.normal(0, 1, 1000), error=error, centred=True)
            for _ in range(300)
        )
        return sum(one.lower > claimed for one in bounds)

    assert found(2 * claimed) > 0.9 * 300
    assert found(claimed) == 0


def test_all_tests_together_may_be_wrong_once_in_a_thousand_times() -> None:
    assert FAMILY_WISE == 0.999
    assert 3 * 4 * share_of_error(4) == pytest.approx(0.001)


def test_without_any_noise_a_bound_is_large_and_finite() -> None:
    found = bound_shift(np.ones(30), np.zeros(30), error=1e-4)
    assert 100 < found.epsilon_at_least(_DELTA) < math.inf


def test_scores_of_nothing_say_nothing() -> None:
    generator = np.random.default_rng(3)
    found = bound_shift(generator.normal(size=100), generator.normal(size=100), error=1e-4)
    assert found.lower == 0
    assert found.epsilon_at_least(_DELTA) == 0
    with pytest.raises(ValueError, match="two finite scores"):
        bound_shift([1.0], [0.0, 1.0], error=0.1)


@given(st.floats(0.05, 20))
def test_shift_and_epsilon_are_each_others_inverse(epsilon: float) -> None:
    assert epsilon_of_shift(shift_of_epsilon(epsilon, _DELTA), _DELTA) == pytest.approx(epsilon, rel=1e-3)


@settings(max_examples=20)
@given(st.integers(16, 3000), st.integers(0, 100))
def test_canaries_are_orthogonal_unit_vectors_that_score_their_own_part(dimension: int, seed: int) -> None:
    directions = CanaryDirections(dimension, wanted=24, seed=seed)
    vectors = np.stack([directions.vector(index) for index in range(directions.count)])

    assert vectors @ vectors.T == pytest.approx(np.eye(directions.count), abs=1e-12)
    observed = np.random.default_rng(seed).normal(size=dimension)
    assert directions.scores(observed) == pytest.approx(vectors @ observed)


def test_the_filter_takes_off_whatever_is_known_of_the_noise() -> None:
    generator = np.random.default_rng(4)
    own, hidden, other = generator.normal(size=(3, 4000))
    # Two rounds with almost the same noise, a canary in the first; and a third observation of other noise.
    noise = np.stack([own, own + 1e-4 * hidden, other], axis=1)

    weights = matched_filter(noise_covariance(noise), [1, 0, 0], largest=10.0)
    assert float(np.std(noise @ weights)) == pytest.approx(1.0, rel=0.03)
    assert weights[0] > 5000
    plain = matched_filter(noise_covariance(generator.normal(size=(4000, 3))), [1, 0, 0], largest=10.0)
    assert plain == pytest.approx([1, 0, 0], abs=0.1)
    with pytest.raises(ValueError, match="too few held-out"):
        noise_covariance(noise[:6])


def test_the_one_run_bound_has_the_known_ceilings() -> None:
    """Of a reimplementation that was checked against jax-privacy, where it gave no false alarm."""
    for canaries, highest in ((100, 3.49), (300, 4.59), (1000, 5.78)):
        assert ceiling(canaries=canaries, delta=1e-5, error=0.05) == pytest.approx(highest, abs=0.01)


@given(st.integers(2, 200), st.data())
def test_without_delta_the_one_run_bound_is_a_binomial_test(made: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, made))
    guesses = Guesses(made=made, right=right)
    found = epsilon_at_least(guesses, canaries=made, delta=0.0, error=0.01)
    if 0 < found < 29:
        accuracy = 1 / (1 + math.exp(-found))
        assert accuracy == pytest.approx(clopper_pearson(right, made, error=0.01)[0], abs=1e-3)
    assert p_value(found, guesses, canaries=made, delta=1e-6) >= p_value(found, guesses, canaries=made, delta=0.0)


def test_coins_that_nobody_sees_are_guessed_by_chance() -> None:
    generator = np.random.default_rng(5)
    alarms = 0
    for _ in range(500):
        scores, coins = generator.normal(size=100), generator.random(100) < 0.5
        alarms += best_bound(scores, coins, shares=(0.1, 0.3, 1.0), delta=1e-5, error=0.05)[0] > 0
    assert alarms <= 42  # of 25 expected at most; more would happen once in a thousand
    assert guess([1, 2, 3, 4], [False, False, True, True], made=4) == Guesses(made=4, right=4)
    with pytest.raises(ValueError, match="even number"):
        guess([1, 2, 3], [True, True, False], made=3)


def test_ceilings_are_the_known_ones_and_are_read_backwards() -> None:
    for epsilon, highest in ((1.0, 0.027), (2.0, 0.074), (4.0, 0.546), (8.0, 1.0)):
        assert float(most_true_positives(0.01, epsilon=epsilon, delta=1e-5)) == pytest.approx(highest, abs=0.001)
    assert most_auc(epsilon=0.0, delta=0.0) == pytest.approx(0.5, abs=1e-4)
    # Of pure DP the curve is two lines that meet at 1 / (1 + e^ε): its area is e^ε / (1 + e^ε).
    assert most_auc(epsilon=2.0, delta=0.0) == pytest.approx(math.exp(2) / (1 + math.exp(2)), abs=1e-4)
    assert epsilon_of_auc(most_auc(epsilon=2.0, delta=1e-5), delta=1e-5) == pytest.approx(2.0, abs=0.01)
    assert epsilon_of_auc(0.5, delta=0.0) == 0.0
    # The notes' example: 500 of 5000 against none of 5000, 97.5 % each.
    assert epsilon_of_rates((500, 5000), (0, 5000), delta=1e-5, error=0.05) == pytest.approx(4.82, abs=0.01)
    assert epsilon_of_rates((100, 500), (5, 500), delta=1e-5, error=0.05) == pytest.approx(1.97, abs=0.01)


def test_areas_and_rates_are_what_they_say() -> None:
    assert auc([3, 2], [1, 0]) == 1.0
    assert auc([1, 1], [1, 1]) == 0.5
    assert auc([0, 2], [1, 1]) == 0.5
    assert auc_at_least(np.ones(100), np.zeros(100), error=0.05) == pytest.approx(1 - math.sqrt(math.log(20) / 200))
    assert true_positives_at([5, 1], np.arange(100) / 25, rate=0.01) == (1, 1)
    assert true_positives_at([5, 1], [2, 3], rate=0.01) == (1, 0)
