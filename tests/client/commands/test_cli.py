"""What a person types on their device."""

from __future__ import annotations

from pathlib import Path

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from client.cli import app
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from tests.federation import MARKER, FewDevices, model_directory


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.jsonl"
    write_preference_lines(path, [PreferenceLine(pair=pair) for pair in FewDevices().pairs(2)])
    return path


def test_check_counts_and_shows_nothing(pairs: Path) -> None:
    shown = CliRunner().invoke(app, ["files", "check", str(pairs), "--model", model_directory()])

    assert shown.exit_code == 0, shown.output
    assert "3 (3 rewrite)" in " ".join(shown.output.split())
    assert MARKER not in shown.output


def test_train_leaves_an_adapter_that_only_its_owner_can_read(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine" / "adapter"
    arguments = ["files", "train", str(pairs), "--out", str(out), "--model", model_directory(), "--steps", "5"]

    shown = CliRunner().invoke(app, arguments)

    assert shown.exit_code == 0, shown.output
    assert "100% of them are told right" in shown.output
    assert out.stat().st_mode & 0o777 == 0o700
    base = AutoModelForCausalLM.from_pretrained(model_directory())
    assert PeftModel.from_pretrained(base, str(out)) is not None
    assert not [file for file in out.iterdir() if MARKER.encode() in file.read_bytes()]
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 1
    assert "name a new directory" in again.stderr


@pytest.mark.parametrize("command", [["files", "check"], ["files", "train", "--out", "adapter"]])
def test_mistakes_are_explained_and_write_nothing(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.jsonl").write_text(f'{{"prompt": "{MARKER}"}}\n')
    for file, said in (("nowhere.jsonl", "No such file"), ("empty.jsonl", "no pairs"), ("broken.jsonl", "line 1")):
        shown = CliRunner().invoke(app, [*command[:2], file, *command[2:]])
        assert shown.exit_code == 1
        assert shown.stderr.startswith("error: ")
        assert said in shown.stderr
        assert MARKER not in shown.output
    assert not (tmp_path / "adapter").exists()
