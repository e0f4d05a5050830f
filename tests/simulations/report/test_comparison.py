"""Differences exceed noise where there is one, stay within it where there is none, and say how they were drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.releases import ReleaseError
from simulations.report.comparison import Comparison, Difference, compare
from simulations.report.sources import read_source
from simulations.report.writing import write_report
from tests.simulations.report.made import make_run, make_sweep
from tests.simulations.report.test_report import tables


def _compared(one: Path, other: Path) -> Comparison:
    return compare(read_source(one), read_source(other), ("one", "other"))


def _own(found: Comparison) -> Difference:
    return next(item for item in found.differences if item.figure == "wins, own persona")


def test_a_difference_of_the_same_users_is_drawn_together(tmp_path: Path) -> None:
    wins = np.random.default_rng(0).choice([0.0, 1.0], size=60)
    better = wins.copy()
    better[np.flatnonzero(wins == 0)[:9]] = 0.5  # small and consistent: only pairing sees it
    one = make_run(tmp_path / "one", wins=wins)
    same = make_run(tmp_path / "same", wins=better)
    strangers = make_run(tmp_path / "strangers", wins=better, seed=5)

    paired, apart = _own(_compared(one, same)), _own(_compared(one, strangers))
    assert (paired.paired, apart.paired) == (True, False)
    assert paired.value == pytest.approx(better.mean() - wins.mean())
    assert apart.value == pytest.approx(paired.value)
    assert (paired.verdict, apart.verdict) == ("exceeds noise", "within noise")
    assert list(paired.by_seed) == pytest.approx([paired.value])
    assert apart.by_seed == ()
    back = _own(_compared(same, one))
    assert back.value == pytest.approx(-paired.value)
    assert back.verdict == "exceeds noise"


def test_without_a_difference_few_of_many_comparisons_find_one(tmp_path: Path) -> None:
    """Two-sided: the intervals are wide enough together, and not so wide that nothing could be found."""
    random = np.random.default_rng(3)
    found = 0
    for trial in range(30):
        runs = [
            make_run(tmp_path / f"{trial}-{side}", wins=random.choice([0.0, 1.0], size=80),
                     other=random.choice([0.0, 1.0], size=80))
            for side in "ab"
        ]  # fmt: skip
        found += any(item.verdict == "exceeds noise" for item in _compared(*runs).differences)
    assert found <= 5  # 1.5 expected at 5 % a comparison; above 5 with probability 0.003


def test_intervals_are_wider_the_more_is_compared(tmp_path: Path) -> None:
    sweep, other = make_sweep(tmp_path / "a"), make_sweep(tmp_path / "b", generator=8)
    found = _compared(sweep, other)

    assert len(found.differences) == 3 * 6
    assert {item.confidence for item in found.differences} == {1 - 0.05 / 18}
    assert {item.seeds for item in found.differences} == {(2, 2)}
    assert all(item.paired for item in found.differences)
    assert found.settings == ()
    own = _own(found)
    assert own.value == pytest.approx(np.mean(own.by_seed))


def test_settings_that_differ_and_settings_of_one_side_are_named(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", wins=np.ones(6), adapter__rank=2)
    other = make_run(tmp_path / "other", wins=np.zeros(6), adapter__rank=4)
    assert ("one → other", "adapter.rank", "2", "4") in _compared(one, other).settings
    sweep = make_sweep(tmp_path / "sweep")
    with pytest.raises(ReleaseError, match="no setting of the same name"):
        _compared(one, sweep)

    written = write_report([one, other], tmp_path / "out", comparing=True).read_text(encoding="utf-8")
    rows = tables(written)["Differences"]
    assert rows[1][:5] == ["one → other", "wins, own persona", "1.000", "0.000", "-1.000 [-1.000, -1.000]"]
    assert rows[1][5] == "exceeds noise"
    assert "so that all 6 together hold with 95 % (Bonferroni)" in written
    assert "--compare" in written
