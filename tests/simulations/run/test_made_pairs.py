"""A run whose devices make their pairs: what it leaves, and that a killed one goes on with what the model had said."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from client.pair_making import make_pairs
from simulations.rlhi import making
from simulations.run.config import RunConfig, read_preset
from simulations.run.progress import RunProgress
from simulations.run.run import resume_run, start_run

SMALL: dict[str, object] = {
    **read_preset("rlhi"),
    "model.device": "cpu",
    "data.users": 4,
    "rlhi.history": 6,
    "rlhi.rewrites": 2,
    "rlhi.rewards": 2,
    "rlhi.candidates": 2,
    "federation.rounds": 1,
    "federation.cohort-size": 2,
    "evaluation.users": 4,
    "evaluation.questions": 1,
    "evaluation.pairs-per-user": 1,
    "evaluation.temperature": 0.0,
    "run.processes": 1,
}


class KilledError(RuntimeError):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_a_run_killed_while_pairs_are_made_asks_the_model_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object, **__: object) -> None:
        raise KilledError

    out = tmp_path / "run"
    with monkeypatch.context() as killed, RunProgress(Console(file=StringIO())) as shown:
        killed.setattr(making, "make_pairs", kill)
        with pytest.raises(KilledError):
            start_run(RunConfig.from_flat(SMALL), out, overwrite=False, command="x", shown=shown)
    assert not (out / "made_pairs.json").exists()
    said = {file.name: file.read_bytes() for file in (out / "memory").iterdir()}
    assert said, "the personas that were inferred are kept"

    seen: set[str] = set()

    def watched(*arguments: object, **settings: object) -> object:
        seen.update(file.name for file in (out / "memory").iterdir())
        return make_pairs(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(making, "make_pairs", watched)
    with RunProgress(Console(file=StringIO())) as shown:
        summary, was_unfinished = resume_run(out, {}, shown=shown)

    assert was_unfinished
    assert seen == set(said), "nothing new was asked before the pairs"
    assert not (out / "memory").exists(), "what only an unfinished run needs is gone"
    data = summary["data"]
    assert isinstance(data, dict)
    assert data["made"]["all"]["personas"]["users"] == 4
    assert data["pairs"] == sum(1 for _ in (out / "made_pairs.jsonl").read_text().splitlines())
