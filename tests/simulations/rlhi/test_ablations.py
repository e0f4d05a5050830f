"""Ablations: each differs from the whole in what it names, and a finished run is not run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.flat_config import ConfigError
from simulations.cli import app
from simulations.rlhi import ablations
from simulations.rlhi.ablations import FULL, VARIANTS, collect, run_ablations, variant_config
from simulations.run.config import RunConfig, read_preset

BASE = read_preset("rlhi")


def test_every_variant_is_a_configuration_and_differs_from_the_whole(tmp_path: Path) -> None:
    whole = RunConfig.from_flat(variant_config(FULL, 1, BASE, memory=tmp_path))
    assert whole.rlhi.enabled
    assert whole.plan.seed == whole.data.seed == whole.rlhi.seed == 1
    for name in VARIANTS:
        made = RunConfig.from_flat(variant_config(name, 1, BASE, memory=tmp_path))
        different = set(made.differences(whole)) - {"run.memory", "run.processes"}
        assert bool(different) == (name != FULL), name


def test_few_heavy_users_see_as_many_pairs_in_a_round(tmp_path: Path) -> None:
    whole, heavy = (RunConfig.from_flat(variant_config(name, 0, BASE, memory=tmp_path)) for name in (FULL, "few-heavy"))
    assert (heavy.data.users or 0) * 10 == whole.data.users
    assert heavy.rlhi.history == 10 * whole.rlhi.history
    assert heavy.plan.training.max_pairs == whole.rlhi.rewrites + whole.rlhi.rewards


def test_a_variant_that_nobody_knows_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no variant 'x'.*full"):
        variant_config("x", 0, BASE, memory=tmp_path)


def _finished(directory: Path, *, worst: float) -> None:
    """What a run leaves of its figures: a mean of 3 of 4 axes, and `worst` of them for the tenth served worst."""
    conditions = {"base": 2.0, "tuned": 0.3, "own_persona": 0.8, "no_persona": 0.5, "other_persona": 0.5}
    utility: dict[str, object] = {
        name: {**conditions, "ci95": [0.7, 0.9]}
        for name in ("win_rate_greedy", "own_minus_other_win_rate_greedy", "pair_accuracy", "coherent_greedy")
    }
    utility["style_fit_greedy"] = {"base": 2.0, "own_persona": 3.0}
    utility["style_fit_worst_decile_greedy"] = {"base": 0.25, "own_persona": worst}
    directory.mkdir()
    (directory / "summary.json").write_text(json.dumps({"utility": utility, "data": {"pairs": 12}}))


def test_those_who_are_served_worst_stand_beside_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, worst in enumerate((0.4, 1.5)):
        _finished(tmp_path / f"{FULL}-{seed}", worst=worst)
    found = collect(tmp_path, names=(FULL,), seeds=(0, 1))
    variants = found["variants"]
    assert isinstance(variants, dict)
    figures = variants[FULL]["figures"]
    assert figures["style_fit_worst_decile"] == {"mean": pytest.approx(0.95), "values": [0.4, 1.5]}
    assert figures["style_fit_worst_decile_base"]["mean"] == 0.25

    monkeypatch.setattr(ablations, "run_ablations", lambda *_, **__: found)
    said = CliRunner().invoke(app, ["ablate", "--out", str(tmp_path), "--variants", FULL])
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    place = next(place for place, line in enumerate(lines) if line.split()[:1] == [FULL])
    assert lines[place].split()[-2:] == ["3.00", "0.95"]
    assert lines[place + 1].split()[-1] == "0.4-1.5"
    assert "…" not in said.output
    assert all(len(line) <= 80 for line in lines)
    assert "and 0.25 of its own worst tenth" in " ".join(said.output.split())


@pytest.mark.slow
def test_a_small_ablation_runs_once_and_is_collected(tmp_path: Path) -> None:
    changes = {
        "data.users": 4, "rlhi.history": 6, "rlhi.rewrites": 2, "rlhi.rewards": 2, "rlhi.candidates": 2,
        "federation.rounds": 1, "federation.cohort-size": 2,
        "evaluation.users": 4, "evaluation.questions": 1, "evaluation.temperature": 0.0,
    }  # fmt: skip
    said: list[str] = []

    def run() -> dict[str, object]:
        return run_ablations(
            tmp_path,
            names=(FULL, "sft"),
            seeds=(0,),
            changes=changes,
            processes=1,
            command="a test",
            progress=lambda _done, _all, name: said.append(name),
        )

    found = run()
    assert said == ["full, seed 0", "sft, seed 0"]
    variants = found["variants"]
    assert isinstance(variants, dict)
    assert variants["sft"]["figures"]["pairs"] == variants[FULL]["figures"]["pairs"]
    assert 0 <= variants[FULL]["figures"]["win_rate_greedy_own"]["mean"] <= 1
    whole = variants[FULL]["figures"]
    assert whole["style_fit_worst_decile"]["mean"] <= whole["style_fit"]["mean"]
    written = (tmp_path / f"{FULL}-0" / "summary.json").stat().st_mtime_ns
    assert run() == found
    assert (tmp_path / f"{FULL}-0" / "summary.json").stat().st_mtime_ns == written
    assert list((tmp_path / "memory").glob("*.json")), "runs of a seed share what the base was asked"
