"""A run from configuration to summary: what it leaves, that nothing private is in it, and that it can be cut short."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from rich.console import Console
from transformers import AutoModelForCausalLM

from client.device import DeviceError
from server.ledger import RunLedger
from server.releases import ReleaseError
from server.round_record import RoundRecord
from shared.flat_config import ConfigError
from shared.privacy.pair_level import pair_level_epsilon
from simulations.population.recorded import LoadReport
from simulations.run import run as running
from simulations.run.config import RunConfig
from simulations.run.directory import RunFiles
from simulations.run.progress import RunProgress, describe_data
from simulations.run.run import resume_run, start_run
from simulations.run.table import summary_view
from tests.federation import MARKER, adapter_vector, model_directory
from tests.simulations.run.files import config, write_pairs

_ADAPTER = Path("adapter") / "adapter_model.safetensors"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs.jsonl")


def _start(made: RunConfig, directory: Path, *, overwrite: bool = False) -> dict[str, object]:
    with RunProgress(Console(file=StringIO())) as shown:
        return start_run(made, directory, overwrite=overwrite, command="tacit-sim run", shown=shown)


def _resume(directory: Path, **changes: object) -> tuple[dict[str, object], bool]:
    with RunProgress(Console(file=StringIO())) as shown:
        return resume_run(directory, {key.replace("__", "."): v for key, v in changes.items()}, shown=shown)


def test_a_run_leaves_what_it_should_and_nothing_private(
    tmp_path: Path, pairs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown_text = StringIO()
    out = tmp_path / "run"
    with caplog.at_level(logging.DEBUG), RunProgress(Console(file=shown_text, width=100)) as shown:
        summary = start_run(config(pairs), out, overwrite=False, command="tacit-sim run", shown=shown)
        shown.console.print(summary_view(summary))

    assert {item.name for item in out.iterdir()} == {
        ".lock", "config.toml", "ledger.jsonl", "rounds.jsonl", "checkpoint.safetensors", "adapter", "summary.json",
    }  # fmt: skip
    assert json.loads((out / "summary.json").read_text()) == json.loads(json.dumps(summary))
    assert len((out / "rounds.jsonl").read_text().splitlines()) == 3
    written = [file.read_bytes() for file in out.rglob("*") if file.is_file()]
    for left in [*written, shown_text.getvalue().encode(), caplog.text.encode()]:
        assert MARKER.encode() not in left
    assert "24 held-out pairs of 6 people" in shown_text.getvalue()
    assert "24 pairs of 6 people about 4 questions\n" in shown_text.getvalue()


def test_the_summary_has_its_keys_and_its_counts(tmp_path: Path, pairs: Path) -> None:
    summary = _start(config(pairs), tmp_path / "run")

    assert {
        "tacit_version", "git_commit", "command", "seed", "engine", "model", "data", "federation", "privacy",
        "utility", "cost", "refused", "dropouts",
    } <= set(summary)  # fmt: skip
    data, federation, cost = summary["data"], summary["federation"], summary["cost"]
    assert isinstance(data, dict)
    assert isinstance(federation, dict)
    assert isinstance(cost, dict)
    assert (data["source"], data["users_train"], data["users_test"], data["pairs"]) == ("jsonl", 6, 6, 24)
    assert (federation["rounds"], federation["cohort"], federation["method"]) == (3, 3, "ffa-lora")
    dimension = federation["shared_parameters"]
    assert adapter_vector(tmp_path / "run").shape == (dimension,)
    assert 4 * dimension < federation["bytes_up_per_device_round"] < 4 * dimension + 4000
    assert 4 * dimension < federation["bytes_down_per_device_round"] < 4 * dimension + 8000
    assert cost["peak_rss_bytes"] > 1e8
    assert summary["privacy"] == {"user": None, "pair": None, "noise_norm_over_clipping": 0.0}
    utility = summary["utility"]
    assert isinstance(utility, dict)
    assert set(utility["pair_accuracy"]) == {
        "base", "tuned", "own_persona", "no_persona", "other_persona", "ci95",
    }  # fmt: skip
    assert (summary["refused"], summary["dropouts"]) == (0, 0)


def test_peft_loads_the_adapter_and_it_speaks_as_the_release_does(tmp_path: Path, pairs: Path) -> None:
    _start(config(pairs, evaluation__skip=True), tmp_path / "run")
    base = AutoModelForCausalLM.from_pretrained(model_directory())
    ids = torch.tensor([[5, 9, 40, 3]])
    with torch.no_grad():
        before = base(ids).logits
        tuned = PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter"))
        assert float((tuned(ids).logits - before).abs().max()) > 1e-4
    weights = {name: value for name, value in tuned.named_parameters() if "lora_B" in name}
    flat = np.concatenate([value.detach().numpy().ravel() for value in weights.values()])
    np.testing.assert_array_equal(flat, adapter_vector(tmp_path / "run"))


class _CutError(Exception):
    pass


@pytest.mark.parametrize("private", [False, True])
def test_a_run_cut_short_resumes_to_the_same_adapter(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch, private: bool
) -> None:
    terms: dict[str, object] = (
        {
            "privacy__unit": "pair",
            "pair_privacy__noise_multiplier": 1.0,
            "pair_privacy__sample_rate": 0.5,
            "pair_privacy__max_grad_norm": 0.5,
        }
        if private
        else {}
    )
    made = config(pairs, **terms)

    def describe_and_cut(record: RoundRecord) -> str:
        if record.round_number == 2:
            raise _CutError
        return "round"

    with monkeypatch.context() as patched:
        patched.setattr(running, "describe_round", describe_and_cut)
        with pytest.raises(_CutError):
            _start(made, tmp_path / "cut")
    released = adapter_vector(tmp_path / "cut")
    assert not (tmp_path / "cut" / "summary.json").exists()
    whole = tmp_path / "whole"
    whole.mkdir()
    if private:
        # The same devices, so the same secret; without it, an uninterrupted run draws other noise.
        secret = (tmp_path / "cut" / "simulated-devices.key").read_bytes()
        monkeypatch.setattr("simulations.engines.devices.secrets.token_bytes", lambda _size: secret)
        # And the same run: a private run's name is random, and its noise hangs on it.
        begun = RunLedger(tmp_path / "cut").state()
        assert begun is not None
        monkeypatch.setattr("server.ledger.secrets.token_hex", lambda _size: begun.run)
    _start(made, whole)

    summary, was_unfinished = _resume(tmp_path / "cut")

    assert was_unfinished
    cost = summary["cost"]
    assert isinstance(cost, dict)
    assert cost["resumed_after_round"] == 2
    assert summary["command"] == "tacit-sim run"
    assert (tmp_path / "cut" / _ADAPTER).read_bytes() == (whole / _ADAPTER).read_bytes()
    assert not np.array_equal(adapter_vector(tmp_path / "cut"), released)
    again, was_unfinished = _resume(tmp_path / "cut")
    assert (again, was_unfinished) == (summary, False)


def test_a_run_cut_in_its_cross_validation_does_not_train_finished_folds_again(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(pairs, evaluation__local_only=False)
    whole = _start(made, tmp_path / "whole")
    federate = running.run_federation
    trained: list[str] = []

    def counting(*arguments: object, **named: object) -> None:
        directory = named["directory"]
        assert isinstance(directory, Path)
        if directory.name == "2" and not trained.count("2"):
            trained.append("2")
            raise _CutError
        trained.append(directory.name)
        federate(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(running, "run_federation", counting)
    with pytest.raises(_CutError):
        _start(made, tmp_path / "cut")
    summary, _ = _resume(tmp_path / "cut")

    assert trained == ["cut", "0", "1", "2", "2", "3"]
    assert summary["utility"] == whole["utility"]


def test_a_private_run_states_its_guarantee_with_every_assumption(tmp_path: Path, pairs: Path) -> None:
    summary = _start(
        config(
            pairs,
            privacy__unit="pair",
            pair_privacy__noise_multiplier=2.0,
            pair_privacy__sample_rate=0.5,
            pair_privacy__max_grad_norm=0.5,
            evaluation__skip=True,
        ),
        tmp_path / "run",
    )

    privacy = summary["privacy"]
    assert isinstance(privacy, dict)
    assert privacy["user"] is None
    pair = privacy["pair"]
    # Three rounds asked once each: three local steps, neither more nor fewer.
    assert pair["epsilon_server"] == pair["epsilon_model_observer"] == _epsilon(steps=3)
    assert _epsilon(steps=2) < pair["epsilon_server"] < _epsilon(steps=4)
    assert (pair["delta"], pair["neighbouring"]) == (1e-5, "zero-out")
    assert "every other figure and count" in pair["sentence"]
    # With the devices' secret, whoever gets this directory could take the noise off again.
    assert not (tmp_path / "run" / "simulated-devices.key").exists()
    rounds = [json.loads(line) for line in (tmp_path / "run" / "rounds.jsonl").read_text().splitlines()]
    assert all(record["metrics"] is None for record in rounds)
    with pytest.raises(ReleaseError, match="cannot be unmade"):
        _start(config(pairs), tmp_path / "run", overwrite=True)


def _epsilon(*, steps: int) -> float:
    return pair_level_epsilon(noise_multiplier=2.0, sample_rate=0.5, steps=steps, delta=1e-5)


def test_a_private_run_that_lost_its_secret_does_not_go_on(tmp_path: Path, pairs: Path) -> None:
    made = config(
        pairs,
        privacy__unit="pair",
        pair_privacy__noise_multiplier=2.0,
        pair_privacy__sample_rate=0.5,
        pair_privacy__max_grad_norm=0.5,
    )

    def cut(_: RoundRecord) -> str:
        raise _CutError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running, "describe_round", cut)
        with pytest.raises(_CutError):
            _start(made, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"run\.processes"):
        _resume(tmp_path / "run", run__processes=2)
    (tmp_path / "run" / "simulated-devices.key").unlink()
    with pytest.raises(DeviceError, match="cannot go on"):
        _resume(tmp_path / "run")
    for overwrite in (False, True):
        with pytest.raises(ReleaseError, match="cannot be unmade"):
            _start(made, tmp_path / "run", overwrite=overwrite)


def test_a_private_run_without_a_finite_figure_is_refused_before_it_begins(tmp_path: Path, pairs: Path) -> None:
    with pytest.raises(ConfigError, match="privacy"):
        _start(
            config(
                pairs,
                privacy__unit="pair",
                pair_privacy__noise_multiplier=1e-4,
                pair_privacy__sample_rate=0.5,
                pair_privacy__max_grad_norm=0.5,
            ),
            tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_a_directory_is_not_taken_from_what_stands_in_it(tmp_path: Path, pairs: Path) -> None:
    made = config(pairs, evaluation__skip=True, federation__rounds=1)
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.tex").write_text("years of work")
    with pytest.raises(ReleaseError, match="not empty"):
        _start(made, strange, overwrite=True)
    with pytest.raises(ReleaseError, match="no run to resume"):
        _resume(strange)
    assert [item.name for item in strange.iterdir()] == ["thesis.tex"]
    out = tmp_path / "run"
    _start(made, out)
    with pytest.raises(ReleaseError, match="--resume"):
        _start(made, out)
    (out / "note.txt").write_text("mine")

    _start(made, out, overwrite=True)

    assert (out / "note.txt").read_text() == "mine"
    with RunFiles(out).locked(), pytest.raises(ReleaseError, match="another process"):
        _start(made, out, overwrite=True)


def test_a_run_that_never_released_can_simply_be_started_again(tmp_path: Path, pairs: Path) -> None:
    with pytest.raises(Exception, match="check the path"):
        _start(config(pairs, model__name=str(tmp_path / "nowhere")), tmp_path / "run")

    (tmp_path / "run" / "config.toml").unlink()
    (tmp_path / "run" / ".writing-xyz").touch()  # as a process leaves it that was killed while it wrote
    _start(config(pairs, evaluation__skip=True, federation__rounds=1), tmp_path / "run")

    assert (tmp_path / "run" / _ADAPTER).exists()


def test_a_run_is_resumed_as_it_began(tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = config(pairs, evaluation__skip=True)
    monkeypatch.setattr(running, "summarise", lambda **_: (_ for _ in ()).throw(_CutError))
    with pytest.raises(_CutError):
        _start(made, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"training\.beta"):
        _resume(tmp_path / "run", training__beta=0.3)
    write_pairs(pairs, users=7)
    with pytest.raises(ConfigError, match=r"data\.sha256"):
        _resume(tmp_path / "run")
    # The same data elsewhere is the same data.
    moved = write_pairs(tmp_path / "moved.jsonl")
    with pytest.raises(_CutError):
        _resume(tmp_path / "run", data__path=str(moved))
    with pytest.raises(ReleaseError, match="no run to resume"):
        _resume(tmp_path / "nothing")


def test_users_can_be_drawn_from_recorded_data(tmp_path: Path, pairs: Path) -> None:
    summary = _start(config(pairs, data__users=3, evaluation__skip=True, federation__rounds=1), tmp_path / "run")

    data = summary["data"]
    assert isinstance(data, dict)
    assert (data["users_train"], data["pairs"]) == (3, 12)
    with pytest.raises(ConfigError, match=r"data\.users"):
        _start(config(pairs, data__users=9), tmp_path / "other")


def test_too_few_users_or_questions_are_said_and_nothing_is_made_up(tmp_path: Path) -> None:
    alone = write_pairs(tmp_path / "alone.jsonl", users=1)

    summary = _start(config(alone, federation__rounds=1), tmp_path / "run")

    assert summary["utility"] == {}
    assert "at least 2 people" in str(summary["not_measured"])
    shown = StringIO()
    Console(file=shown, width=100).print(summary_view(summary))
    assert "at least 2 people" in shown.getvalue()


@pytest.mark.slow
def test_the_embedded_world_end_to_end_on_the_packaged_model(tmp_path: Path) -> None:
    from simulations.run.config import read_preset

    summary = _start(RunConfig.from_flat(read_preset("smoke")), tmp_path / "run")

    utility = summary["utility"]
    assert isinstance(utility, dict)
    assert {
        "win_rate_greedy", "own_minus_other_win_rate_greedy", "style_fit_greedy", "style_fit_worst_decile_greedy",
        "coherent_greedy", "pair_accuracy",
    } == set(utility)  # fmt: skip
    assert utility["win_rate_greedy"]["base"] == 0.5
    assert utility["coherent_greedy"]["base"] >= 0.75
    assert summary["model"] == {"name": "tacit-tiny", "parameters": 1_201_536}
    shown = StringIO()
    Console(file=shown, width=80).print(summary_view(summary))
    assert "4 simulated users that training never saw" in shown.getvalue()
    assert "26,880 numbers a round" in shown.getvalue()


@pytest.mark.slow
def test_a_model_in_a_relative_directory_is_found_on_every_engine(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(model_directory()).parent)
    made = config(pairs, model__name=Path(model_directory()).name, data__users=2, evaluation__skip=True)
    vectors = []
    for engine in ("inline", "deployed"):
        _start(replace(made, run=replace(made.run, engine=engine)), tmp_path / engine)
        vectors.append(adapter_vector(tmp_path / engine))

    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    monkeypatch.chdir(tmp_path)
    assert _resume(tmp_path / "inline")[1] is False


def test_what_cannot_be_measured_is_refused_before_anything_is_trained(tmp_path: Path, pairs: Path) -> None:
    for keys, named in (
        ({"evaluation.questions": 1000}, "evaluation"),
        ({"federation.minimum-replies": 3, "data.users": 2}, r"federation\.minimum-replies"),
    ):
        with pytest.raises(ConfigError, match=named):
            _start(RunConfig.from_flat(keys), tmp_path / "run")
    with pytest.raises(ConfigError, match="only 3 devices"):  # of a fold
        _start(config(pairs, federation__minimum_replies=4, federation__cohort_size=6), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_the_data_left_out_is_said() -> None:
    report = LoadReport(
        users=3, groups=2, pairs=4, users_without_pairs=1, left_out={"tied votes": 5, "empty": 0}, read={"votes": 9}
    )

    assert describe_data(report) == "4 pairs of 3 people about 2 questions; 1 people have none; left out: 5 tied votes"
