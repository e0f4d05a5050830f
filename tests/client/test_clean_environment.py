"""No program that is started from here is handed a passphrase."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from client.clean_environment import clean_environment, cleaned_environment
from client.running_conditions import ThisMachine


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACIT_PASSPHRASE", "secret one")
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "secret two")
    monkeypatch.setenv("TACIT_HOME", "/somewhere")


def test_a_child_is_given_all_but_passphrases() -> None:
    given = clean_environment()
    assert "secret" not in str(given)
    assert given["TACIT_HOME"] == "/somewhere"
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match=r"^clean$"), cleaned_environment():
        raise RuntimeError("secret" if "secret" in str(dict(os.environ)) else "clean")
    assert os.environ == before


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for NetworkManager")
def test_network_manager_is_asked_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nmcli"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert ThisMachine().is_metered() is None
    seen = (tmp_path / "seen").read_text()
    assert "LC_ALL=C" in seen
    assert "secret" not in seen
