"""`tacit import` as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.conversation_files import read_conversations
from tests.client.importers.exports import MARKER, branching_chatgpt, plain_chatgpt, write_array, write_zip


def run(*arguments: str, status: int = 0) -> str:
    shown = CliRunner().invoke(app, ["import", *arguments])
    assert shown.exit_code == status, shown.output
    assert MARKER not in shown.output
    return shown.output


def test_an_export_is_imported_and_what_was_skipped_is_said(tmp_path: Path) -> None:
    export = write_zip(
        tmp_path / "export.zip",
        {"conversations.json": json.dumps([branching_chatgpt("b"), plain_chatgpt("a"), {"mapping": {}}, 7])},
    )
    into = tmp_path / "conversations.jsonl"

    said = " ".join(run(str(export), "--into", str(into)).split())

    assert "format chatgpt read 4 added 2 updated 0 unchanged 0" in said
    assert "messages you worded anew 1 replies you left for another 2" in said
    assert "without its messages" in said
    assert "not an object" in said
    assert "hidden" in said
    assert len(read_conversations(into)) == 2
    assert "unchanged 2" in " ".join(run(str(export), "--into", str(into)).split())


def test_scripts_get_json(tmp_path: Path) -> None:
    export = write_array(tmp_path / "a.json", [plain_chatgpt("a")])

    report = json.loads(run(str(export), "--into", str(tmp_path / "c.jsonl"), "--format", "chatgpt", "--json"))

    assert (report["format"], report["added"], report["damage"]) == ("chatgpt", 1, [])
    assert report["skipped_messages"] == {"hidden": 1}


def test_damage_is_told_and_what_came_before_is_kept(tmp_path: Path) -> None:
    export = write_array(tmp_path / "a.json", [plain_chatgpt("a"), plain_chatgpt("b")])
    export.write_bytes(export.read_bytes()[:-50])

    said = run(str(export), "--into", str(tmp_path / "c.jsonl"), status=1)

    assert "cut short" in said
    assert len(read_conversations(tmp_path / "c.jsonl")) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["gone.zip", "--into", "c.jsonl"], 1, "No such file"),
        (["text.txt", "--into", "c.jsonl"], 1, "begins with neither"),
        (["text.txt", "--format", "word"], 2, "--format"),
        (["text.txt", "--into", "./text.txt"], 1, "is where the import goes"),
    ],
)
def test_errors_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(MARKER)

    assert said in run(*arguments, status=status)
    assert not (tmp_path / "c.jsonl").exists()


def test_help_teaches_with_an_example() -> None:
    said = " ".join(run("--help").split())

    assert "tacit import chatgpt-export.zip" in said
