"""Figures over seeds: one value a seed, and no figure that nobody measured."""

from __future__ import annotations

import pytest

from simulations.run.figures import figures_over_seeds, wins_of_users


def test_a_figure_has_a_value_and_an_interval_of_every_seed_that_measured_it() -> None:
    summaries: list[dict[str, object]] = [
        {"utility": {"style": {"own_persona": own, "base": 0.1, "ci95": [0.0, own]}}} for own in (0.2, 0.6)
    ]
    found = figures_over_seeds([*summaries, {"utility": {}}], [("style", "own_persona"), ("style", "base"), ("x", "y")])
    assert found == {
        "style.own_persona": {"mean": pytest.approx(0.4), "values": [0.2, 0.6], "ci95": [[0.0, 0.2], [0.0, 0.6]]},
        "style.base": {"mean": pytest.approx(0.1), "values": [0.1, 0.1], "ci95": []},
    }


def test_wins_are_those_of_greedy_replies_under_the_own_persona() -> None:
    wins = {"0.0": {"own": [1.0, 0.5], "other": [0.0, 0.0]}, "0.7": {"own": [0.0, 0.0]}}
    assert wins_of_users({"details": {"replies": {"wins": wins}}}) == [1.0, 0.5]
