"""What a researcher types, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.releases import read_rounds
from shared.flat_config import ConfigError
from shared.round_plan import FederationPlan
from simulations.cli import app
from simulations.run.config import RunConfig
from tests.federation import MARKER
from tests.simulations.run.files import settings, write_pairs

_SCRIPT = Path(sys.executable).with_name("tacit-sim")


def _arguments(pairs: Path, out: Path, **more: object) -> list[str]:
    assignments = [f"--set={key}={value}" for key, value in settings(pairs, **more).items()]
    return ["run", "--out", str(out), *assignments]


def test_help_teaches_and_does_not_wait_for_pytorch() -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", str(_SCRIPT), "run", "--help"], capture_output=True, text=True, check=True
    )

    assert "--preset" in shown.stdout
    assert "tacit-sim run --resume" in shown.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in shown.stderr.splitlines()}
    assert "simulations.cli" in imported
    assert not imported & {"torch", "transformers", "flwr", "ray", "trl"}


def test_presets_are_listed() -> None:
    shown = CliRunner().invoke(app, ["presets"])

    assert shown.exit_code == 0
    assert "demo" in shown.output
    assert "mtbench" in shown.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--preset", "nothing"], "there is no preset"),
        (["run", "--set", "training.bota=1"], "unknown keys: 'training.bota'"),
        (["run", "--set", "nonsense"], "GROUP.KEY=VALUE"),
        (["run", "--data", "jsonl"], "data.path"),
        (["run", "--config", "/nowhere/run.toml"], "/nowhere/run.toml: No such file"),
        (["run", "--resume", "--overwrite"], "contradict"),
        (["run", "--resume"], "name its directory"),
        (["run", "--method", "magic"], "ffa-lora"),
        (["bench", "nothing"], "there is no benchmark"),
        (["show", "/nowhere"], "holds no finished run"),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, arguments)

    assert shown.exit_code == 1
    assert shown.stderr.startswith("error: ")
    assert said in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_malformed_line_is_named_by_file_line_and_field_and_never_quoted(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl")
    pairs.write_text(pairs.read_text() + json.dumps({"prompt": MARKER, "chosen": "b", "rejected": 3, "user_id": "u"}))

    shown = CliRunner().invoke(app, _arguments(pairs, tmp_path / "run"))

    assert shown.exit_code == 1
    assert f"{pairs}, line 25, rejected" in shown.stderr
    assert MARKER not in shown.output
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_killed_outright_is_resumed_from_the_command_line_to_the_same_bytes(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl")
    out, whole = tmp_path / "run", tmp_path / "whole"
    more = {"federation__rounds": 60, "evaluation__skip": "true"}
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen(
        [str(_SCRIPT), *_arguments(pairs, out, **more)], env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(read_rounds(out)) < 3:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(read_rounds(out)) < 60

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [str(_SCRIPT), *arguments], env=environment, capture_output=True, text=True, timeout=240, check=True
        )
        return done.stdout

    resumed = run("run", "--resume", "--out", str(out))
    run(*_arguments(pairs, whole, **more))

    assert "resuming" in resumed
    assert (out / "adapter" / "adapter_model.safetensors").read_bytes() == (
        whole / "adapter" / "adapter_model.safetensors"
    ).read_bytes()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["command"].startswith("tacit-sim run --out")
    assert summary["cost"]["resumed_after_round"] >= 3
    assert "nothing to do" in run("run", "--resume", "--out", str(out))
    assert "of 3 devices each" in run("show", str(out))
    # The configuration that a run leaves makes the run again.
    again = tmp_path / "again"
    run("run", "--config", str(out / "config.toml"), "--out", str(again))
    assert (again / "adapter" / "adapter_model.safetensors").read_bytes() == (
        whole / "adapter" / "adapter_model.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl")
    out = tmp_path / "run"
    running = subprocess.Popen(
        [str(_SCRIPT), *_arguments(pairs, out, federation__rounds=5000)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(read_rounds(out)) < 2:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)

    assert running.returncode == 130
    assert said.strip().splitlines()[-1].startswith("stopped: finished rounds stand")
    assert MARKER not in said


def test_every_flag_is_the_setting_it_is_named_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RunConfig] = []

    def take(made: RunConfig, *_: object, **__: object) -> None:
        seen.append(made)
        raise ConfigError("that is all")

    monkeypatch.setattr("simulations.run.run.start_run", take)
    monkeypatch.chdir(tmp_path)
    flags = ["--data=jsonl", "--path=p", "--users=3", "--cohort=4", "--rounds=5", "--model=m", "--method=ffa-lora"]
    CliRunner().invoke(app, ["run", *flags, "--rank=6", "--engine=ray", "--processes=7", "--seed=8"])

    (made,) = seen
    assert (made.data.source, made.data.path, made.data.users) == ("jsonl", "p", 3)
    assert (made.plan.cohort_size, made.plan.rounds, made.plan.model.name) == (4, 5, "m")
    assert (made.plan.adapter.method, made.plan.adapter.rank) == ("ffa-lora", 6)
    assert (made.run.engine, made.run.processes) == ("ray", 7)
    assert {made.plan.seed, made.plan.adapter.seed, made.data.seed, made.evaluation.seed} == {8}

    CliRunner().invoke(app, ["run", "--engine=ray", "--address=10.0.0.1:6379"])
    assert seen[-1].run.ray_address == "10.0.0.1:6379"


@pytest.mark.parametrize(
    ("arguments", "rate"),
    [
        (["--data=mtbench-human", "--path=p"], 0.3),
        (["--set=data.source=realhumaneval", "--path=p"], 0.3),
        ([], 8.0),
        (["--data=jsonl", "--path=p"], FederationPlan().server_learning_rate),
        (["--data=mtbench-human", "--path=p", "--set=federation.server-learning-rate=0.1"], 0.1),
    ],
)
def test_data_brings_the_settings_that_fit_it(
    arguments: list[str], rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def take(made: RunConfig, *_: object, **__: object) -> None:
        seen.append(made.plan.server_learning_rate)
        raise ConfigError("that is all")

    monkeypatch.setattr("simulations.run.run.start_run", take)
    monkeypatch.chdir(tmp_path)

    CliRunner().invoke(app, ["run", *arguments])

    assert seen == [rate]
