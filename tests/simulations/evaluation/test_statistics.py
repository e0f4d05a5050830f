"""Bootstrap over users: right against scipy, covers what it says, and is wider than one over votes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulations.evaluation.statistics import (
    bootstrap_interval,
    estimate_difference,
    estimate_mean,
    user_means,
    wins,
)


def test_one_value_a_user_agrees_with_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=40)
    reference = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", random_state=np.random.default_rng(2)
    )
    low, high = bootstrap_interval(values, seed=3, resamples=20_000)
    width = reference.confidence_interval.high - reference.confidence_interval.low
    assert low == pytest.approx(reference.confidence_interval.low, abs=0.03 * width)
    assert high == pytest.approx(reference.confidence_interval.high, abs=0.03 * width)


def test_unequal_users_agree_with_scipys_bootstrap_of_the_ratio_of_sums() -> None:
    generator = np.random.default_rng(4)
    sizes = generator.integers(1, 30, size=35)
    users = np.repeat(np.arange(35), sizes)
    values = generator.normal(size=len(users)) + generator.normal(size=35)[users]
    totals = np.bincount(users, weights=values)
    reference = stats.bootstrap(
        (totals, sizes),
        lambda a, b, axis=-1: a.sum(axis=axis) / b.sum(axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        random_state=np.random.default_rng(5),
    )
    found = estimate_mean(values, [str(user) for user in users], seed=6, resamples=20_000)
    width = reference.confidence_interval.high - reference.confidence_interval.low
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(reference.confidence_interval.low, abs=0.03 * width)
    assert found.high == pytest.approx(reference.confidence_interval.high, abs=0.03 * width)
    assert (found.users, found.values) == (35, len(values))


def coverage(*, over_users: bool, trials: int = 400) -> float:
    """How often a 90 % interval holds the truth, for 40 users of 10 votes whose win rates differ."""
    generator = np.random.default_rng(7)
    ids = [str(user) for user in np.repeat(np.arange(40), 10)]
    held = 0
    for trial in range(trials):
        rates = generator.beta(3.0, 2.0, size=40)
        votes = (generator.random((40, 10)) < rates[:, None]).astype(float).ravel()
        low, high = bootstrap_interval(votes, ids if over_users else None, seed=trial, resamples=400, confidence=0.9)
        held += low <= 0.6 <= high
    return held / trials


def test_intervals_over_users_cover_the_truth_and_intervals_over_votes_do_not() -> None:
    assert 0.85 <= coverage(over_users=True) <= 0.95
    assert coverage(over_users=False) < 0.80


def test_a_paired_interval_is_narrower_than_the_two_apart() -> None:
    generator = np.random.default_rng(8)
    ids = [str(user) for user in np.repeat(np.arange(30), 8)]
    common = np.repeat(generator.normal(size=30), 8)
    first, second = common + 0.1 + 0.05 * generator.normal(size=240), common
    paired = estimate_difference(first, second, ids, seed=1)
    assert paired.low > 0
    apart = estimate_mean(first, ids, seed=1).low - estimate_mean(second, ids, seed=1).high
    assert apart < 0


def test_weighting_by_users_is_the_mean_of_users_means() -> None:
    values, ids = [1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"]
    assert estimate_mean(values, ids, seed=0).value == 0.75
    assert estimate_mean(values, ids, seed=0, weighting="users").value == 0.5
    assert user_means(values, ids) == {"a": 1.0, "b": 0.0}


@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.floats(-1e6, 1e6)), min_size=1, max_size=30),
    st.integers(0, 2**32),
)
def test_an_interval_is_deterministic_in_range_and_blind_to_order(rows: list[tuple[str, float]], seed: int) -> None:
    ids, values = [row[0] for row in rows], [row[1] for row in rows]
    found = estimate_mean(values, ids, seed=seed, resamples=50)
    assert found == estimate_mean(values, ids, seed=seed, resamples=50)
    slack = 1e-6 * (1 + max(map(abs, values)))
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack
    turned = estimate_mean(values[::-1], ids[::-1], seed=seed, resamples=50)
    assert turned.low == pytest.approx(found.low, abs=slack)
    assert turned.high == pytest.approx(found.high, abs=slack)


def test_seeds_differ_and_blocks_do_not_show() -> None:
    values = np.random.default_rng(9).random(20)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    assert bootstrap_interval(values, seed=1, resamples=1) == bootstrap_interval(values, seed=1, resamples=1)
    assert estimate_mean(values, seed=1, resamples=2_500).low < values.mean()


def test_wins_count_ties_half() -> None:
    assert wins([2.0, 1e-7, -1e-7, 0.0, -3.0]).tolist() == [1.0, 0.5, 0.5, 0.5, 0.0]
    assert wins([2.0, 0.5, -0.5], tie=0.0).tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("values", [[], [float("nan")], [float("inf"), 1.0], [[1.0, 2.0]]])
def test_values_that_have_no_mean_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values must be"):
        bootstrap_interval(values, seed=0)
    with pytest.raises(ValueError, match="values must be"):
        wins(values)


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="one user id"):
        bootstrap_interval([1.0, 2.0], ["a"], seed=0)
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_interval([1.0], seed=0, confidence=1.0)
    with pytest.raises(ValueError, match="resamples"):
        bootstrap_interval([1.0], seed=0, resamples=0)
    with pytest.raises(ValueError, match="equally many"):
        estimate_difference([1.0], [1.0, 2.0], seed=0)
    with pytest.raises(ValueError, match="tie"):
        wins([1.0], tie=-1.0)
