"""The worst decile is a tenth of users, found anew for every model."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.evaluation.embedded import evaluate_embedded
from simulations.evaluation.worst_decile import worst_decile, worst_decile_interval
from simulations.population.embedded.population import EmbeddedPopulation
from tests.simulations.evaluation.test_embedded_evaluation import Speakers, babbling, obedient, stock


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        ([3.0], 3.0),
        ([4.0, 1.0, 2.0], 1.0),
        ([4.0] * 9 + [0.5], 0.5),
        ([0.0, 1.0] + [4.0] * 9, 0.5),  # 11 users: two
        (list(range(100)), 4.5),
    ],
)
def test_it_is_the_mean_of_the_lowest_tenth_rounded_up(figures: list[float], found: float) -> None:
    assert worst_decile(figures[::-1]) == found


def test_its_interval_holds_it_and_narrows_with_users() -> None:
    generator = np.random.default_rng(1)
    few, many = generator.uniform(0, 4, size=50), generator.uniform(0, 4, size=2000)

    for figures in (few, many):
        low, high = worst_decile_interval(figures, seed=0)
        assert low < worst_decile(figures) < high
    wide, narrow = (np.subtract(*worst_decile_interval(figures, seed=0)[::-1]) for figures in (few, many))
    assert narrow < wide / 3
    # 0.2 is what the lowest tenth of uniform figures from 0 to 4 comes to.
    assert low < 0.2 < high
    assert worst_decile_interval(few, seed=3) == worst_decile_interval(few, seed=3)


@pytest.mark.parametrize("figures", [[], [1.0, float("nan")], [[1.0]]])
def test_what_is_no_row_of_figures_is_refused(figures: list[float]) -> None:
    with pytest.raises(ValueError, match="non-empty row of finite numbers"):
        worst_decile(figures)


def test_a_model_that_serves_most_and_fails_a_few_is_told_by_its_worst_decile() -> None:
    population = EmbeddedPopulation(seed=3, users=40, split="reporting")
    unserved = {population.user(index).persona for index in range(4)}

    def unfair(persona: str, question: str) -> str:
        failed = any(one in persona for one in unserved)
        return (babbling if failed else obedient)(persona, question)

    own = evaluate_embedded(Speakers(stock, unfair), population, temperatures=(0.0,)).result("own")

    assert own.tuned_fit.value == pytest.approx(3.6)
    assert own.tuned_worst_decile.value == 0.0
    assert own.base_worst_decile > 0.0
    assert own.tuned_worst_decile.low <= 0.0 <= own.tuned_worst_decile.high
    fair = evaluate_embedded(Speakers(stock, obedient), population, temperatures=(0.0,)).result("own")
    assert fair.tuned_worst_decile.value == 4.0
