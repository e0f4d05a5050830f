"""Membership inference: what leaks is found, strangers of the same kind are, and no leak is made up."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from rich.console import Console

from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from simulations.audits.audited_run import AuditedRun
from simulations.audits.membership import SCORES, Scored, audit, find_leak
from simulations.audits.pair_shadow import canary_pairs
from simulations.audits.registry import AuditSettings, NotApplicableError
from simulations.run.config import RunConfig
from simulations.run.progress import RunProgress
from simulations.run.run import start_run
from tests.simulations.run.files import settings, write_pairs

_SETTINGS = AuditSettings(seed=0)


def _run(directory: Path, pairs: Path, **more: object) -> AuditedRun:
    keys = {key.replace("__", ".").replace("_", "-"): value for key, value in more.items()}
    made = RunConfig.from_flat({**settings(pairs), "evaluation.skip": True, **keys})
    with RunProgress(Console(file=StringIO())) as shown:
        start_run(made, directory, overwrite=False, command="tacit-sim run", shown=shown)
    return AuditedRun(directory)


def _nothing(done: float, note: str) -> None:
    assert 0 <= done <= 1
    assert note


def _sayings(path: Path, *, users: int) -> Path:
    """Two pairs a user that nobody else would say."""
    pairs = canary_pairs(2 * users, seed=0)
    lines = [
        PreferenceLine(user_id=str(place // 2), question_id=str(place), pair=pair) for place, pair in enumerate(pairs)
    ]
    write_preference_lines(path, lines)
    return path


@pytest.mark.slow
def test_people_who_trained_are_told_from_strangers_when_nothing_protects_them(tmp_path: Path) -> None:
    pairs = _sayings(tmp_path / "pairs.jsonl", users=12)
    run = _run(
        tmp_path / "run", pairs, data__users=6, federation__cohort_size=6, federation__rounds=3, adapter__rank=8,
        federation__clipping_norm=1000.0, training__local_steps=15, training__learning_rate=0.03,
        training__optimizer="adam",
    )  # fmt: skip
    (found,) = audit(run, _SETTINGS, _nothing)

    assert found.verdict == "measured"
    assert (found.figures["members"], found.figures["strangers"]) == (6, 6)
    of_scores = [cast("dict[str, float]", found.figures[name]) for name in SCORES]
    assert max(one["auc_of_all_pairs"] for one in of_scores) > 0.9


def test_a_run_that_has_everybody_has_no_strangers(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", write_pairs(tmp_path / "pairs.jsonl"))
    with pytest.raises(NotApplicableError, match="leave some out"):
        audit(run, _SETTINGS, _nothing)


def _scores(
    generator: np.random.Generator, shift: float, people: int
) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return {name: generator.normal(shift, 1, people) for name in SCORES}


def test_a_leak_above_a_ceiling_is_found_and_chance_is_not() -> None:
    generator = np.random.default_rng(0)
    leak = find_leak(_scores(generator, 3, 500), _scores(generator, 0, 500), delta=1e-5, seed=0)
    assert leak.bound > 2
    assert leak.areas["pair"] > 0.95
    for _ in range(20):
        chance = find_leak(_scores(generator, 0, 100), _scores(generator, 0, 100), delta=1e-5, seed=0)
        assert chance.bound == 0


def test_pairs_of_one_user_count_once() -> None:
    values = np.array([1.0, 3.0, 5.0, 9.0])
    scored = Scored(values=dict.fromkeys(SCORES, values), users=np.array([7, 7, 2, 2]))
    assert scored.of_users("pair").tolist() == [7.0, 2.0]
    for seed in range(10):
        second, first = scored.one_of_each("pair", seed=seed)
        assert first in (1.0, 3.0)
        assert second in (5.0, 9.0)
