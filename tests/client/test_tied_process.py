"""A SuperNode ends with its `tacit join`, however that ends: real processes, killed outright."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from client import tied_process
from tests.processes import lives

_TIED = [sys.executable, "-I", str(Path(tied_process.__file__))]
# Says its id, and how it is asked to end.
_CHILD = """
import os, pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
def ended(*_):
    (place / "ended").touch()
    sys.exit(7)
signal.signal(signal.SIGTERM, ended)
(place / "child").write_text(str(os.getpid()))
time.sleep(60)
"""
_PARENT = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); time.sleep(60)"


def _read(file: Path) -> int:
    deadline = time.monotonic() + 20.0
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(file.read_text())


def _gone(process: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while lives(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def command(tmp_path: Path) -> Iterator[list[str]]:
    yield [*_TIED, sys.executable, "-c", _CHILD, str(tmp_path)]
    if (tmp_path / "child").exists():
        with suppress(ProcessLookupError):
            os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_it_ends_when_whoever_started_it_is_killed(command: list[str], tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, *command])
    child = _read(tmp_path / "child")

    parent.kill()
    parent.wait()

    assert _gone(child)
    assert (tmp_path / "ended").exists()  # it was asked to, and could say goodbye


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of what was killed outright")
def test_it_ends_when_what_is_between_is_killed(command: list[str], tmp_path: Path) -> None:
    between = subprocess.Popen(command, stdin=subprocess.PIPE)
    child = _read(tmp_path / "child")

    between.kill()
    between.communicate()

    assert _gone(child)


def test_it_is_asked_to_end_and_its_status_is_passed_on(command: list[str], tmp_path: Path) -> None:
    between = subprocess.Popen(command, stdin=subprocess.PIPE)
    child = _read(tmp_path / "child")

    between.terminate()

    assert between.wait(timeout=10.0) == 7
    assert _gone(child)
    between.communicate()


def test_it_ends_when_its_command_does() -> None:
    for status in (0, 3):
        ended = subprocess.Popen([*_TIED, sys.executable, "-c", f"raise SystemExit({status})"], stdin=subprocess.PIPE)
        assert ended.wait(timeout=20.0) == status
        ended.communicate()


def test_who_does_not_end_is_made_to(tmp_path: Path) -> None:
    """In a process of its own, since what is tested takes over signals."""
    stubborn = _CHILD.replace("signal.signal(signal.SIGTERM, ended)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    program = f"""
import sys
from client import tied_process
tied_process._END_SECONDS = 0.5
sys.exit(tied_process.run([sys.executable, "-c", {stubborn!r}, {str(tmp_path)!r}]) != -9)
"""
    between = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    child = _read(tmp_path / "child")

    between.terminate()

    assert between.wait(timeout=20.0) == 0  # its child was killed
    assert _gone(child)
    between.communicate()
