"""`tacit-sim evaluate` and `ablate` as a researcher types them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from simulations.cli import app
from tests.simulations.run.files import write_pairs


def run(*arguments: str) -> str:
    shown = CliRunner().invoke(app, list(arguments))
    assert shown.exit_code == 0, shown.output
    return " ".join(shown.output.split())


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh adapter of the packaged model: it says what the base says."""
    path = tmp_path_factory.mktemp("adapter")
    adapted = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(rank=2))
    adapted.load(np.zeros(adapted.spec.dimension, dtype=np.float32))
    adapted.save(path)
    return path


@pytest.mark.slow
def test_users_compares_an_adapter_with_its_base(adapter: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    said = run("evaluate", "users", str(adapter), "--users", "4", "--history", "3", "--json", str(file))
    found = json.loads(file.read_text())
    assert found["users"] == 4
    assert len(found["win_rates"]) == 3 * 4 * 3
    assert all(rate["result"]["raw"]["value"] == 0.5 and rate["ties"] == 1 for rate in found["win_rates"])
    assert "equal length" in said


def test_the_base_against_itself_is_refused() -> None:
    shown = CliRunner().invoke(app, ["evaluate", "users", "base"])
    assert shown.exit_code == 1
    assert "name a run or an adapter" in shown.output


def test_a_directory_without_an_adapter_is_named(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["evaluate", "users", str(tmp_path)])
    assert shown.exit_code == 1
    assert "neither a run" in " ".join(shown.output.split())


def test_votes_asks_people_who_voted(adapter: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl", users=3, pairs=2)
    file = tmp_path / "figures.json"
    run("evaluate", "votes", str(adapter), "--source", "jsonl", "--path", str(pairs), "--json", str(file))
    found = json.loads(file.read_text())
    assert found["first"]["value"] == 0.5, "an adapter that changes nothing tells nothing"
    assert found["first"]["users"] == 3


def test_files_of_another_project_are_compared(tmp_path: Path) -> None:
    def outputs(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.json"
        rows = [{"instruction": f"Say {place}.", "output": f"{text} {place}", "generator": name} for place in range(12)]
        path.write_text(json.dumps(rows), encoding="utf-8")
        return path

    mine, other = outputs("mine", "A longer reply"), outputs("other", "A reply")
    judged = [
        {
            "instruction": f"Say {place}.",
            "output_1": f"A reply {place}",
            "output_2": f"A longer reply {place}",
            "generator_1": "other",
            "generator_2": "mine",
            "preference": 2.0 if place % 3 else 1.0,
        }
        for place in range(12)
    ]
    (tmp_path / "judged.json").write_text(json.dumps(judged), encoding="utf-8")
    file = tmp_path / "figures.json"
    run("evaluate", "files", str(mine), str(other), "--judgments", str(tmp_path / "judged.json"), "--json", str(file))
    assert json.loads(file.read_text())["length_control"]["raw"]["value"] == pytest.approx(8 / 12)
    both = CliRunner().invoke(app, ["evaluate", "files", str(mine), str(other)])
    assert both.exit_code == 1
    assert "one of the two" in both.output


def test_outputs_to_other_instructions_are_one_clear_error(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        row = {"instruction": f"Say {name}.", "output": "x", "generator": name}
        (tmp_path / f"{name}.json").write_text(json.dumps([row]), encoding="utf-8")
    files = [str(tmp_path / f"{name}.json") for name in ("mine", "other", "other")]
    shown = CliRunner().invoke(app, ["evaluate", "files", *files[:2], "--judgments", files[2]])
    assert shown.exit_code == 1
    assert shown.output.startswith("error: ")
    assert isinstance(shown.exception, SystemExit)


def test_data_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    out.write_text("mine", encoding="utf-8")
    shown = CliRunner().invoke(app, ["data", "reasoning", "--out", str(out), "--count", "2"])
    assert shown.exit_code == 1
    assert "is there already" in shown.output
    assert out.read_text(encoding="utf-8") == "mine"


def test_variants_are_listed() -> None:
    assert "SFT on the chosen replies" in run("ablate", "--out", "nowhere", "--variants", "help")


def test_reasoning_data_is_a_file_that_training_takes(tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    assert "12 pairs of 3 users" in run("data", "reasoning", "--out", str(out), "--count", "12", "--users", "3")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["user_id"] for row in rows} == {"solver-0", "solver-1", "solver-2"}
    assert all(row["origin"] == "rewrite" for row in rows)
