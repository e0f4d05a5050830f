"""Processes that die are started again, and all of them end with their supervisor."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from server.deployment import supervisor
from server.deployment.supervisor import Service, Supervisor
from tests.processes import lives


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_BACK_OFF_SECONDS", (0.05, 0.3))
    monkeypatch.setattr(supervisor, "_TICK_SECONDS", 0.02)
    monkeypatch.setattr(supervisor, "_CHECK_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "_END_SECONDS", 2.0)


class Watched:
    """A supervisor in a thread, and what it said."""

    def __init__(self, place: Path, *services: Service) -> None:
        self.said: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=Supervisor(services, place, say=self.said.append).run, args=(self._stop,)
        )

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


def script(name: str, text: str, **more: object) -> Service:
    return Service(name=name, command=[sys.executable, "-c", text], environment={"KEPT": "1"}, **more)  # type: ignore[arg-type]


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def numbers(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split() if line.isdigit()] if path.exists() else []


def test_what_is_killed_is_started_again_and_what_has_done_its_work_at_once(tmp_path: Path) -> None:
    lasting = script("lasting", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    brief = script("brief", "import os; print(os.getpid(), flush=True)")
    log = tmp_path / "lasting.log"
    with Watched(tmp_path, lasting, brief) as watched:
        until(lambda: len(numbers(log)) == 1)
        os.kill(numbers(log)[0], signal.SIGKILL)
        until(lambda: len(numbers(log)) == 2)
        until(lambda: len(numbers(tmp_path / "brief.log")) >= 3)
        assert lives(numbers(log)[1])

    assert [line for line in watched.said if "lasting" in line] == [
        "lasting ended (signal SIGKILL): again in 0.05 s; see lasting.log"
    ]
    assert not [line for line in watched.said if "brief" in line]
    assert not any(map(lives, numbers(log)))
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_what_dies_again_and_again_is_started_later_and_later(tmp_path: Path) -> None:
    with Watched(tmp_path, script("broken", "raise SystemExit(3)")) as watched:
        until(lambda: len(watched.said) >= 3)

    assert [line.split("again in ")[1].split(";")[0] for line in watched.said[:3]] == ["0.05 s", "0.3 s", "0.3 s"]
    assert "status 3" in watched.said[0]


def test_a_whole_family_ends_even_where_it_does_not_listen(tmp_path: Path) -> None:
    deaf = "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    child = deaf + "print(os.getpid(), flush=True); time.sleep(60)"
    parent = (
        deaf + f"subprocess.Popen([sys.executable, '-c', {child!r}]); print(os.getpid(), flush=True); time.sleep(60)"
    )
    with Watched(tmp_path, script("deaf", parent)):
        until(lambda: len(numbers(tmp_path / "deaf.log")) == 2)
        family = numbers(tmp_path / "deaf.log")
        assert all(map(lives, family))

    until(lambda: not any(map(lives, family)))


def test_what_lives_and_does_not_answer_is_started_again(tmp_path: Path) -> None:
    answers = iter([False, True, True, *[False] * 40])
    served: list[int] = []
    text = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    service = script("silent", text, is_healthy=lambda: next(answers, True), healthy=lambda: served.append(1))
    with Watched(tmp_path, service) as watched:
        until(lambda: len(numbers(tmp_path / "silent.log")) == 2 and len(served) == 2)

    assert "silent serves" in watched.said
    assert "silent does not answer: it is ended, and started again" in watched.said


def test_logs_do_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LARGEST_LOG", 10_000)
    noisy = "import time\nwhile True: print('x' * 999, flush=True); time.sleep(0.001)"
    with Watched(tmp_path, script("noisy", noisy)):
        until(lambda: (tmp_path / "noisy.log.1").exists())
        for _ in range(20):
            time.sleep(0.05)
            assert (tmp_path / "noisy.log").stat().st_size < 500_000
