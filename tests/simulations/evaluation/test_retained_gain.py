from __future__ import annotations

import numpy as np
import pytest

from simulations.evaluation.retained_gain import retained_gain


def _wins(rng: np.random.Generator, mean: float, users: int = 2000) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return rng.choice([0.0, 0.5, 1.0], size=users, p=[0.8 - mean * 0.8, 0.2, mean * 0.8])


def test_equal_runs_retain_all_with_no_doubt() -> None:
    wins = [_wins(np.random.default_rng(0), 0.8)]
    found = retained_gain(wins, wins, seed=0)

    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)  # paired: the same users, drawn together
    assert found.verdict(0.9) == "met"


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        whole = [_wins(rng, 0.85, users=400) for _ in range(3)]
        # Half of the users lose 0.2 of their win: the true ratio of gains.
        kept = [np.clip(one - 0.2 * (rng.random(len(one)) < 0.5), 0, 1) for one in whole]
        truth_whole = 0.1 + 0.8 * 0.85 - 0.5
        lost = 0.1 * (1 - (0.8 - 0.85 * 0.8))  # whoever has 0 keeps 0
        found = retained_gain(kept, whole, seed=trial)
        covered += found.low <= 1 - lost / truth_whole <= found.high
        assert (found.seeds, found.users) == (3, 1200)
    assert 50 <= covered <= 60


def test_an_interval_over_the_bar_is_called_unresolved() -> None:
    rng = np.random.default_rng(0)
    few = retained_gain([_wins(rng, 0.7, users=40)], [_wins(rng, 0.75, users=40)], seed=0)

    assert few.low < 0.9 < few.high
    assert few.verdict(0.9) == "unresolved"
    assert few.verdict(few.high + 0.1) == "missed"


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="same users"):
        retained_gain([[0.5, 1.0]], [[1.0]], seed=0)
    with pytest.raises(ValueError, match="same users"):
        retained_gain([], [], seed=0)
    with pytest.raises(ValueError, match="nothing was gained"):
        retained_gain([[1.0, 1.0]], [[0.5, 0.5]], seed=0)
