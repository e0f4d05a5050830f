"""What commands have in common: none of those that decide waits for PyTorch, nor does an error."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from client.clean_environment import PASSPHRASE_VARIABLE
from client.commands.opening import _EXPECTED
from client.profile import HOME_VARIABLE
from tests.client.profiles import PASSPHRASE, new_profile, someones_conversations, use_home

_PROGRAM = """
import json, sys
from typer.testing import CliRunner
from client.cli import app
for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, arguments)
    print(json.dumps([done.exit_code, "torch" in sys.modules, done.output[-300:]]))
"""


def _without_torch(home: Path, *commands: list[str], passphrase: str = PASSPHRASE, status: int = 0) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(commands)], capture_output=True, text=True, check=True, timeout=120,
        env={**os.environ, HOME_VARIABLE: str(home), PASSPHRASE_VARIABLE: passphrase},
    )  # fmt: skip
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one[0], one[1]) for one in said] == [(status, False)] * len(commands), said


def test_who_decides_does_not_wait_for_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path)
    new_profile(tmp_path, someones_conversations(2))
    _without_torch(
        tmp_path, ["policy", "init", str(tmp_path / "policy.toml")], ["card"], ["pause"], ["resume"], ["privacy"],
        ["consent"], ["conversations"], ["persona"], ["pairs"], ["leave"],
    )  # fmt: skip
    _without_torch(tmp_path, ["conversations"], passphrase="another", status=1)  # noqa: S106


@pytest.mark.parametrize(("module", "name"), _EXPECTED)
def test_errors_that_say_what_to_do_are_where_they_are_looked_for(module: str, name: str) -> None:
    kind = getattr(importlib.import_module(module), name)
    assert issubclass(kind, Exception)
    assert kind.__module__ == module
