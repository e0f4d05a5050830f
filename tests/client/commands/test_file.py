"""`tacit files persona` and `tacit files pairs` as a person uses them, on a simulated person's conversations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from client.cli import app
from client.conversation_files import write_conversations
from shared.preference_files import read_preference_lines
from simulations.population.embedded.history import history, speaker
from simulations.population.embedded.personas import read_persona

USER = speaker(3, "tuning", 1)


@cache
def run(*arguments: str) -> str:
    shown = CliRunner().invoke(app, ["files", *arguments])
    assert shown.exit_code == 0, shown.output
    return " ".join(shown.output.split())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    write_conversations(home / "conversations.jsonl", [entry.conversation for entry in history(USER, 16)])
    run("persona", str(home / "conversations.jsonl"), "--book", str(home / "persona.json"))
    return home


def test_a_persona_is_read_from_conversations_and_says_where_from(home: Path) -> None:
    said = run("persona", "--book", str(home / "persona.json"))
    stated = read_persona(said)
    assert stated
    assert all(USER.style[axis] == pole for axis, pole in stated.items())
    assert "turn 2" in said
    assert (home / "persona.json").stat().st_mode & 0o077 == 0


def test_a_person_has_the_last_word(home: Path, tmp_path: Path) -> None:
    book = tmp_path / "persona.json"
    book.write_bytes((home / "persona.json").read_bytes())
    assert "Prefers metric units." in run("persona", "--book", str(book), "--write", "Prefers metric units.")
    assert "you wrote it (locked)" in run("persona", "--book", str(book))
    assert run("persona", "--book", str(book), "--strike", "1").endswith("struck out: Prefers metric units.")
    wrong = CliRunner().invoke(app, ["files", "persona", "--book", str(book), "--lock", "99"])
    assert wrong.exit_code == 1
    assert "there is no statement 99" in wrong.output


@pytest.mark.slow
def test_pairs_are_made_and_what_was_not_is_said(home: Path) -> None:
    out = home / "pairs.jsonl"
    said = run(
        "pairs", str(home / "conversations.jsonl"), "--out", str(out), "--book", str(home / "persona.json"),
        "--limit", "4", "--candidates", "4",
    )  # fmt: skip
    lines = read_preference_lines(out, user_id_required=False)
    assert lines
    assert out.stat().st_mode & 0o077 == 0
    assert all(line.pair.persona for line in lines)
    assert f"reward pairs {sum(line.pair.origin == 'reward' for line in lines)}" in said
    assert "what you said after replies" in said
    for line in lines:
        assert line.pair.chosen[0].content not in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--server", "http://example.org:1/v1", "--server-model", "m"], "example.org"),
        (["--server", "http://127.0.0.1:9/v1"], "--server-model"),
        (["--server", "lab", "--server-model", "m"], "no such endpoint"),
        (["--classifier", "magic"], "light or model"),
    ],
)
def test_what_would_send_words_away_or_cannot_be_is_refused_before_anything_is_read(
    home: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    out = tmp_path / "pairs.jsonl"
    book = ["--book", str(home / "persona.json")]
    shown = CliRunner().invoke(
        app, ["files", "pairs", str(home / "conversations.jsonl"), "--out", str(out), *book, *arguments]
    )
    assert shown.exit_code != 0
    assert said in " ".join(shown.output.split())
    assert not out.exists()


def test_pairs_that_are_there_are_not_written_over(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    out.write_text("mine", encoding="utf-8")
    arguments = [
        "files",
        "pairs",
        str(home / "conversations.jsonl"),
        "--out",
        str(out),
        "--book",
        str(home / "persona.json"),
    ]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 1
    assert "--overwrite" in shown.output
    assert out.read_text(encoding="utf-8") == "mine"


def test_a_malformed_conversation_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"conversation_id": "a", "messages": "secret"}\n', encoding="utf-8")
    shown = CliRunner().invoke(app, ["files", "persona", str(tmp_path / "c.jsonl"), "--book", str(tmp_path / "p.json")])
    assert shown.exit_code == 1
    assert "line 1, messages" in shown.output
    assert "secret" not in shown.output
    assert not (tmp_path / "p.json").exists()
