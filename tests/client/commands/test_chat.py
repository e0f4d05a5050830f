"""`tacit chat` and `tacit serve` as they are typed."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import typer
import uvicorn
from click.testing import Result
from openai import OpenAI
from typer.testing import CliRunner

from client.assistant.assistant import Assistant, ReplyStream
from client.commands import chat as chat_commands
from client.commands.chat import chat_command
from client.commands.serve import serve_command
from client.profile import HOME_VARIABLE, Profile, ProfileSettings
from client.unlocking import open_vault
from client.vault.keys import KeyFile
from client.vault.vault import Vault

app = typer.Typer()
app.command("chat")(chat_command)
app.command("serve")(serve_command)


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Of the packaged model."""
    key_file = tmp_path / "key"
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return Profile.create(tmp_path / "home", ProfileSettings(key_file=key_file), KeyFile(key_file))


@pytest.fixture
def kept(profile: Profile) -> Iterator[Vault]:
    with open_vault(profile) as vault:
        yield vault


def _chat(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["chat", "--max-tokens", "24", "--temperature", "0", *arguments], input=typed)


def test_once_prints_the_reply_and_keeps_it(kept: Vault) -> None:
    result = _chat("--once", "How do I grow basil?")
    assert result.exit_code == 0, result.output
    (conversation,) = kept.conversations
    assert [one.role for one in conversation.messages] == ["user", "assistant"]
    assert conversation.messages[0].content == "How do I grow basil?"
    assert result.stdout == f"{conversation.messages[1].content}\n" != "\n"
    facts = kept.conversations.facts(conversation.conversation_id)
    assert (facts.source, facts.private) == ("chats", False)
    assert _chat("--once", "-", typed="How do I grow basil?").stdout == result.stdout
    assert _chat("--once", "-", typed=" \n").exit_code == 2


def test_private_keeps_nothing(kept: Vault) -> None:
    assert _chat("--private", "--once", "How do I grow basil?").stdout.strip()
    assert _chat("--private", typed="How do I grow basil?\n/again\n/private\n").exit_code == 0
    assert len(kept.conversations) == 0


def test_a_conversation_is_one_and_new_begins_another(kept: Vault) -> None:
    result = _chat(typed="How do I grow basil?\nPlease be brief.\n\n/new\nHow do I bake bread?\n/quit\nnever said\n")
    assert result.exit_code == 0, result.output
    first, second = kept.conversations
    assert [one.content for one in first.messages if one.role == "user"] == ["How do I grow basil?", "Please be brief."]
    assert [one.content for one in second.messages if one.role == "user"] == ["How do I bake bread?"]
    assert len(first.messages) == 4


def test_private_in_the_middle_marks_the_conversation_for_good(kept: Vault) -> None:
    _chat(typed="How do I grow basil?\n/private\nPlease be brief.\n/new\nHow do I bake bread?\n/new\n/private\nHello\n")
    assert [(one.private, one.messages) for one in kept.conversations.every_facts()] == [
        (True, 4),
        (False, 2),
        (True, 2),
    ]


def test_a_reply_that_was_left_is_a_choice_once_the_conversation_goes_on(kept: Vault) -> None:
    typed = "How do I grow basil?\n/again\n"
    with pytest.MonkeyPatch.context() as patch:
        seeds = iter(range(100))
        patch.setattr("secrets.randbits", lambda _bits: next(seeds))
        _chat("--temperature", "1.5", typed=typed)
        assert len(kept.choices) == 0
        (alone,) = kept.conversations
        assert len(alone.messages) == 2
        seeds = iter(range(100))
        _chat("--temperature", "1.5", typed=f"{typed}Please be brief.\n/again\nAnd thyme?\n")
    kept.consents.decide("chats", granted=True)
    choices = kept.choices.trainable()
    conversation = list(kept.conversations)[-1]
    assert len(conversation.messages) == 6
    assert [(one.choice.kind, len(one.choice.prompt)) for one in choices] == [("regenerated", 1), ("regenerated", 3)]
    for one in choices:
        assert one.choice.kept == conversation.messages[len(one.choice.prompt) : len(one.choice.prompt) + 1]
        assert one.choice.left[0].role == "assistant"
        assert one.choice.left != one.choice.kept


def test_help_and_what_is_no_command(kept: Vault) -> None:
    result = _chat(typed="/again\n/help\n/nothing\n")
    assert result.exit_code == 0
    assert "nothing was said yet" in result.output
    assert "another reply" in result.output
    assert "no such command" in result.output
    assert len(kept.conversations) == 0


def test_a_reply_cannot_drive_the_terminal(kept: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "\x1b[2J\x1b]0;title\x07a\rb\x9b31m\u202ec\nd"
    monkeypatch.setattr(Assistant, "stream", lambda *_, **__: _Scripted(said))
    shown = _chat("--once", "How do I grow basil?").stdout
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e")
    assert "a" in shown
    assert shown.endswith("c\nd\n")
    ((_, reply),) = [one.messages for one in kept.conversations]
    assert reply.content == said


class _Scripted(ReplyStream):
    """A reply of a text that is given."""

    def __init__(self, text: str) -> None:
        super().__init__(prompt_tokens=1)
        self._pieces = self._characters(text)

    def _characters(self, text: str) -> Generator[str, None, None]:
        yield from text
        self.finished = self.is_whole = True


def test_ctrl_c_stops_the_reply_and_not_the_program(kept: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal comes while the reply is written."""
    written = []

    def write(text: str) -> None:
        written.append(text)
        if len(written) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(chat_commands, "_write", write)
    before = signal.getsignal(signal.SIGINT)
    result = _chat(typed="How do I grow basil?\nHow do I bake bread?\n")
    assert result.exit_code == 0, result.output
    assert "stopped" in result.output
    assert [one.messages[0].content for one in kept.conversations] == ["How do I bake bread?"]
    assert signal.getsignal(signal.SIGINT) is before


def test_without_a_profile_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "nowhere"))
    for command in ("chat", "serve"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 1
        assert "tacit init" in result.output


@pytest.mark.parametrize("command", ["chat", "serve"])
def test_help_teaches_with_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert f"tacit {command}" in result.output.replace(" root", "")
    assert "Example" in result.output


@pytest.mark.timeout(90)
def test_serve_says_where_it_is_and_stops_on_ctrl_c(profile: Profile) -> None:
    script = "import typer; from client.commands.serve import serve_command; typer.run(serve_command)"
    with subprocess.Popen(
        [sys.executable, "-c", script, "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        token = profile.token_file.read_text().strip()
        assert token not in said
        base = said.split("OPENAI_BASE_URL=")[1].split()[0]
        assert base.startswith("http://127.0.0.1:")
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(base.split(":")[2].split("/")[0]))) == 0:
                    break
            assert time.monotonic() < deadline
        with urllib.request.urlopen(base.removesuffix("v1"), timeout=20) as page:  # noqa: S310 - this test's own server
            assert b"<html" in page.read()
        with OpenAI(base_url=base, api_key=token, max_retries=0, timeout=30) as client:
            assert "tacit" in [model.id for model in client.models.list()]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert "stopped" in process.stdout.read()


def test_serve_opens_the_page_without_showing_the_token_to_others(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line of a browser can be read by every user of the machine."""
    opened: list[str] = []

    def browse(address: str) -> bool:
        file = Path(urllib.request.url2pathname(address.removeprefix("file://")))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not [name for name in os.environ if name.endswith("_PASSPHRASE")]
        opened.extend((address, file.read_text()))
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--open"])
    assert result.exit_code == 0, result.output
    token = profile.token_file.read_text().strip()
    address, content = opened
    assert token not in address + content + result.output
    assert re.search(r"/#code=[\w-]{32}\"", content)
    assert not Path(urllib.request.url2pathname(address.removeprefix("file://"))).exists()
    shown = CliRunner().invoke(app, ["serve", "--port", "0", "--show-token"], env={"COLUMNS": "300"}).output
    assert token in shown
    assert "#" not in shown


def test_serve_names_a_port_that_is_taken(profile: Profile) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = CliRunner().invoke(app, ["serve", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert "cannot be used" in result.output
    assert "--port" in result.output
