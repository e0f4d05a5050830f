"""What a person says stands nowhere in plain: chatting, learning, serving, killed, in no file at any time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from client.profile import Profile
from tests.client.profiles import PASSPHRASE, new_profile, opened, someones_conversations, use_home
from tests.client.wiretap import watched

MARKER = "zebraquokka"
_TACIT = str(Path(sys.executable).with_name("tacit"))


def test_the_watch_sees_what_is_there_for_a_moment(tmp_path: Path) -> None:
    with watched(tmp_path, [b"moment"], seconds=0.01) as files, tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        file.write(b"for a moment")
        file.flush()
        time.sleep(0.3)
    assert list(files.values()) == [1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_file_ever_holds_what_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    for name in ("cwd", "tmp", "user"):
        (place / name).mkdir(parents=True)
    use_home(monkeypatch, place / "home")
    profile = new_profile(place / "home", someones_conversations(20, index=4))
    with opened(profile) as vault:
        vault.consents.decide("chats", granted=True)
        vault.personas.save(vault.personas.load().write(f"Is called {MARKER}."))
    environment = {
        **os.environ, "HOME": str(place / "user"), "TMPDIR": str(place / "tmp"), "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip

    def tacit(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_TACIT, *arguments], cwd=place / "cwd", env=environment, capture_output=True, text=True, timeout=200,
            check=True,
        )  # fmt: skip

    markers = [MARKER.encode(), MARKER.encode("utf-16-le"), PASSPHRASE.encode(), b"Tell me about learning"]
    with watched(place, markers, seconds=0.1) as files:
        tacit("chat", "--once", f"Tell me about learning Japanese. {MARKER}")
        learned = tacit("learn", "--json", "--pairs", "6")
        with subprocess.Popen(
            [_TACIT, "serve", "--port", "0"], cwd=place / "cwd", env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        ) as served:  # fmt: skip
            assert served.stdout is not None
            address = next(
                word.strip(",.") for line in served.stdout for word in line.split() if word.startswith("http://")
            )
            _ask(address, (place / "home" / "serve.token").read_text().strip())
            served.send_signal(signal.SIGKILL)
        with subprocess.Popen(
            [_TACIT, "learn"], cwd=place / "cwd", env=environment, stdout=subprocess.DEVNULL
        ) as killed:
            time.sleep(6)
            killed.send_signal(signal.SIGKILL)
        tacit("forget", json.loads(tacit("conversations", "--json").stdout)[-1]["conversation_id"])

    assert json.loads(learned.stdout)["personal"] is not None
    assert MARKER not in learned.stdout + learned.stderr
    assert {"vault.db", "vault.db-wal", "serve.token"} <= {Path(path).name for path in files}
    assert [path for path in files if Path(path).name.startswith("personal-")]
    assert {path: count for path, count in files.items() if count} == {}
    with opened(Profile.load(place / "home")) as vault:
        assert vault.problems() == ()
        assert any(MARKER in message.content for one in vault.conversations for message in one.messages)


def _ask(address: str, token: str) -> None:
    root = "/".join(address.split("/")[:3])
    asked = urllib.request.Request(  # noqa: S310
        f"{root}/v1/chat/completions",
        data=json.dumps({"model": "tacit", "messages": [{"role": "user", "content": f"Hello, {MARKER}"}]}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=120) as answer:  # noqa: S310
        assert json.load(answer)["choices"][0]["message"]["role"] == "assistant"
