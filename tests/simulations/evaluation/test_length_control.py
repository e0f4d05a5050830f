"""Length control: the minimum scipy finds, nothing taken where length has no effect, all of it where it has all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from simulations.evaluation.length_control import RIDGE, LengthControl, control_length

Numbers = NDArray[np.float64]


def sigmoid(values: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-values)))


def lengths_of(generator: np.random.Generator, count: int, *, stretch: float = 0.0) -> tuple[Numbers, Numbers]:
    """Characters of the model's and the baseline's replies, the model's exp(stretch) times as long in the middle."""
    baseline = generator.integers(200, 3000, size=count).astype(float)
    return np.round(baseline * np.exp(generator.normal(stretch, 0.5, size=count))), baseline


def found_by_scipy(
    preference: Numbers, delta: Numbers, difficulty: Numbers | None, weight: Numbers, ridge: float
) -> tuple[float, Numbers]:
    """The controlled win rate and the terms, by a quasi-Newton method on the probabilities themselves."""
    columns = [np.ones_like(delta), np.tanh(delta / np.std(delta, ddof=1))]
    if difficulty is not None:
        columns.append((difficulty - difficulty.mean()) / np.std(difficulty, ddof=1))
    features = np.column_stack(columns)
    weight = len(weight) * weight / weight.sum()

    def negative(terms: Numbers) -> float:
        chance = sigmoid(features @ terms)
        likelihood = preference * np.log(chance) + (1 - preference) * np.log(1 - chance)
        return float(-np.sum(weight * likelihood) + ridge / 2 * np.sum(terms[1:] ** 2))

    terms = minimize(negative, np.zeros(features.shape[1]), method="BFGS", options={"gtol": 1e-7}).x
    without = features.copy()
    without[:, 1] = 0
    return float(np.average(sigmoid(without @ terms), weights=weight)), terms


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_difficulty", [False, True])
@pytest.mark.parametrize("ridge", [RIDGE, 5.0])
def test_the_fit_is_scipys(hard: bool, weighted: bool, with_difficulty: bool, ridge: float) -> None:
    generator = np.random.default_rng(1)
    model, baseline = lengths_of(generator, 300, stretch=0.2)
    delta = model - baseline
    difficulty = generator.normal(3.0, 2.0, size=300)
    chance = sigmoid(-0.4 + 1.5 * np.tanh(delta / delta.std()) + 0.2 * difficulty)
    preference = (generator.random(300) < chance).astype(float) if hard else chance
    preference[:20] = 0.5
    weight = generator.integers(1, 4, size=300).astype(float) if weighted else np.ones(300)
    found = control_length(
        preference,
        model,
        baseline,
        difficulties=difficulty if with_difficulty else None,
        weights=weight if weighted else None,
        ridge=ridge,
        resamples=1,
        seed=0,
    )
    value, terms = found_by_scipy(preference, delta, difficulty if with_difficulty else None, weight, ridge)
    assert found.controlled.value == pytest.approx(value, abs=1e-6)
    assert found.raw.value == pytest.approx(np.average(preference, weights=weight), abs=1e-12)
    assert found.model_term == pytest.approx(terms[0], abs=1e-4)
    assert found.length_term == pytest.approx(terms[1], abs=1e-4)
    assert found.length_scale == pytest.approx(np.std(delta, ddof=1))
    if with_difficulty:
        assert found.difficulty_term == pytest.approx(terms[2], abs=1e-4)
    else:
        assert found.difficulty_term is None


def test_a_judge_of_length_alone_is_left_with_a_coin() -> None:
    generator = np.random.default_rng(2)
    model, baseline = lengths_of(generator, 600, stretch=0.35)
    delta = model - baseline
    graded = control_length(sigmoid(2.5 * np.tanh(delta / delta.std(ddof=1))), model, baseline, resamples=100, seed=0)
    assert graded.raw.value > 0.6
    assert graded.controlled.value == pytest.approx(0.5, abs=0.005)
    assert graded.longer > 0.7
    # The harshest one: whoever writes a character more wins, so that the fit is a step and its middle hard to place.
    strict = control_length((delta > 0) + 0.5 * (delta == 0), model, baseline, resamples=1, seed=0)
    assert strict.raw.value > 0.7
    assert strict.controlled.value == pytest.approx(0.5, abs=0.1)


def test_what_a_better_model_wins_without_writing_more_it_keeps() -> None:
    generator = np.random.default_rng(3)
    model, baseline = lengths_of(generator, 4000)
    delta = model - baseline
    chance = sigmoid(0.8 + 1.2 * np.tanh(delta / delta.std(ddof=1)))
    found = control_length((generator.random(4000) < chance).astype(float), model, baseline, resamples=200, seed=0)
    assert found.controlled.low <= sigmoid(np.array([0.8]))[0] <= found.controlled.high
    assert found.length_term == pytest.approx(1.2, abs=0.2)


@settings(deadline=None)
@given(
    half=st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 4000), st.integers(0, 4000)),
        min_size=1,
        max_size=30,
    )
)
def test_without_a_length_effect_the_raw_win_rate_stays(half: list[tuple[float, int, int]]) -> None:
    # Each preference stands twice, the model once the longer and once the shorter: length explains nothing.
    preference, model, baseline = (list(column) for column in zip(*half, strict=True))
    found = control_length(preference * 2, model + baseline, baseline + model, resamples=3, seed=0)
    assert found.controlled.value == pytest.approx(found.raw.value, abs=1e-8)
    assert found.longer == pytest.approx(0.5)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)),
        min_size=1,
        max_size=25,
    ),
    seed=st.integers(0, 1000),
)
def test_any_data_give_a_win_rate_and_its_mirror(
    rows: list[tuple[float, float, float, float, float]], seed: int
) -> None:
    preference, model, baseline, difficulty, weight = (np.array(column) for column in zip(*rows, strict=True))
    found = control_length(preference, model, baseline, difficulties=difficulty, weights=weight, resamples=5, seed=seed)
    swapped = control_length(
        1 - preference, baseline, model, difficulties=difficulty, weights=weight, resamples=5, seed=seed
    )
    for estimate, mirror in ((found.raw, swapped.raw), (found.controlled, swapped.controlled)):
        assert 0 <= estimate.low <= estimate.high <= 1
        assert 0 <= estimate.value <= 1
        assert mirror.value == pytest.approx(1 - estimate.value, abs=1e-6)
        assert mirror.low == pytest.approx(1 - estimate.high, abs=1e-6)


@settings(deadline=None)
@given(factor=st.floats(0.01, 100), stretch=st.floats(0.5, 20), shift=st.floats(-50, 50))
def test_units_do_not_matter(factor: float, stretch: float, shift: float) -> None:
    generator = np.random.default_rng(4)
    model, baseline = lengths_of(generator, 80)
    preference, difficulty = generator.random(80), generator.normal(size=80)
    weight = generator.random(80) + 0.5

    def fitted(unit: float, scale: float, offset: float, heavier: float) -> LengthControl:
        return control_length(
            preference,
            unit * model,
            unit * baseline,
            difficulties=scale * difficulty + offset,
            weights=heavier * weight,
            resamples=1,
            seed=0,
        )

    plain, other = fitted(1, 1, 0, 1), fitted(factor, stretch, shift, factor)
    assert other.controlled.value == pytest.approx(plain.controlled.value, abs=1e-7)
    assert other.length_term == pytest.approx(plain.length_term, abs=1e-6)


@pytest.mark.parametrize("outcome", [0.0, 1.0])
def test_winning_or_losing_everything_needs_no_control(outcome: float) -> None:
    found = control_length([outcome] * 5, [10, 20, 30, 40, 50], [50, 10, 10, 10, 10], resamples=20, seed=0)
    assert found.raw.value == found.controlled.value == outcome
    assert (found.controlled.low, found.controlled.high) == (outcome, outcome)
    assert (found.model_term, found.length_term, found.length_scale) == (None, None, None)


def test_one_loss_in_many_wins_is_fitted() -> None:
    found = control_length([1.0] * 99 + [0.0], range(100), [50] * 100, resamples=50, seed=0)
    assert found.length_term is not None
    assert 0.9 < found.controlled.value < 1


@pytest.mark.parametrize("difference", [0, 70])
def test_equal_differences_cannot_be_told_from_the_model(difference: int) -> None:
    found = control_length([1, 0, 1, 1], [100 + difference] * 4, [100] * 4, resamples=10, seed=0)
    assert found.length_term is None
    assert found.length_scale is None
    assert found.controlled.value == pytest.approx(0.75)
    assert found.longer == (1.0 if difference else 0.5)


def test_equal_difficulties_are_left_out() -> None:
    found = control_length([1, 0, 1, 0.5], [3, 1, 4, 1], [2, 7, 1, 8], difficulties=[2.0] * 4, resamples=10, seed=0)
    plain = control_length([1, 0, 1, 0.5], [3, 1, 4, 1], [2, 7, 1, 8], resamples=10, seed=0)
    assert found == plain


def test_one_comparison_is_the_raw_preference() -> None:
    found = control_length([0.75], [100], [20], resamples=10, seed=0)
    assert found.controlled.value == pytest.approx(0.75)
    assert found.controlled.low == pytest.approx(0.75)
    assert found.length_term is None


def test_intervals_over_users_are_wider_where_users_agree_with_themselves() -> None:
    generator = np.random.default_rng(5)
    model, baseline = lengths_of(generator, 400)
    users = [f"u{place // 20}" for place in range(400)]
    taste = np.repeat(generator.normal(0, 1.5, size=20), 20)
    preference = (generator.random(400) < sigmoid(taste)).astype(float)
    over_users = control_length(preference, model, baseline, user_ids=users, resamples=300, seed=0).controlled
    over_votes = control_length(preference, model, baseline, resamples=300, seed=0).controlled
    assert over_users.high - over_users.low > 1.5 * (over_votes.high - over_votes.low)
    assert (over_users.users, over_users.values) == (20, 400)
    assert (over_votes.users, over_votes.values) == (400, 400)
    assert over_users.value == over_votes.value


def test_the_order_of_comparisons_does_not_matter_over_users() -> None:
    generator = np.random.default_rng(6)
    model, baseline = lengths_of(generator, 60)
    preference = generator.random(60)
    users = [f"u{place % 7}" for place in range(60)]
    order = generator.permutation(60)
    plain = control_length(preference, model, baseline, user_ids=users, resamples=40, seed=3)
    mixed = control_length(
        preference[order],
        model[order],
        baseline[order],
        user_ids=[users[place] for place in order],
        resamples=40,
        seed=3,
    )
    assert mixed.controlled.value == pytest.approx(plain.controlled.value, abs=1e-9)
    assert mixed.controlled.low == pytest.approx(plain.controlled.low, abs=1e-9)


def test_intervals_cover_what_is_true() -> None:
    generator = np.random.default_rng(7)
    truth, held = float(sigmoid(np.array([0.4]))[0]), 0
    for trial in range(40):
        model, baseline = lengths_of(generator, 250, stretch=0.2)
        delta = model - baseline
        chance = sigmoid(0.4 + 1.0 * np.tanh(delta / delta.std(ddof=1)))
        preference = (generator.random(250) < chance).astype(float)
        found = control_length(preference, model, baseline, confidence=0.9, resamples=60, seed=trial).controlled
        held += found.low <= truth <= found.high
    assert 30 <= held <= 40  # 36 expected


def test_the_seed_decides_the_interval_and_nothing_else() -> None:
    generator = np.random.default_rng(8)
    model, baseline = lengths_of(generator, 50)
    preference = generator.random(50)
    first, again, other = (control_length(preference, model, baseline, resamples=50, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.controlled.value == other.controlled.value
    assert first.controlled.low != other.controlled.low


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"preferences": []}, "non-empty row"),
        ({"preferences": [[1.0, 0.0, 0.5]]}, "non-empty row"),
        ({"preferences": [1.0, 1.5, 0.0]}, "between 0 and 1"),
        ({"preferences": [1.0, float("nan"), 0.0]}, "preferences must be finite"),
        ({"model_lengths": [1, 2]}, "as many lengths"),
        ({"baseline_lengths": [1, 2, float("inf")]}, "lengths must be finite"),
        ({"model_lengths": [1, -2, 3]}, "lengths must not be negative"),
        ({"weights": [1.0, 0.0, 1.0]}, "weights must be above 0"),
        ({"weights": [1.0, 1.0]}, "as many weights"),
        ({"difficulties": [1.0]}, "as many difficulties"),
        ({"user_ids": ["u1"]}, "one user id a comparison"),
        ({"ridge": 0.0}, "ridge must be above 0"),
        ({"ridge": float("nan")}, "ridge must be above 0"),
        ({"confidence": 1.0}, "confidence"),
        ({"resamples": 0}, "resamples"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], said: str) -> None:
    given_arguments: dict[str, object] = {
        "preferences": [1.0, 0.5, 0.0],
        "model_lengths": [3, 4, 5],
        "baseline_lengths": [5, 4, 3],
        "seed": 0,
        **arguments,
    }
    with pytest.raises(ValueError, match=said):
        control_length(**given_arguments)  # type: ignore[arg-type]
