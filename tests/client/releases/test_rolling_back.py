"""Releases are taken back at will, and what its user chose holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.device import DeviceError
from client.releases import ReleaseRefusedError, roll_back
from client.shared_adapters import SharedAdapter
from tests.client.assistant.assistants import REQUEST, Home
from tests.client.releases.releasing import OTHER_RUN, RUN, SHORT, Server, here, install, used


def test_a_round_brings_what_is_newer_and_not_what_was_gone_back_from(home: Home, server: Server) -> None:
    for number in (1, 2):
        install(home, server.release(number))
    kept = home.device.adapters()
    kept.keep_shared(server.request(2))  # a round that began with release 1
    assert used(home) == ("a", 2)

    assert roll_back(kept).release == 1
    kept.keep_shared(server.request(3))  # it begins with release 2, which its user went back from
    assert used(home) == ("a", 1)
    kept.keep_shared(server.request(4))
    assert used(home) == ("a", 3)
    assert here(home) == [3, 1]  # the one that was gone back from is dropped
    kept.keep_shared(server.request(4))
    assert here(home) == [3, 1]


def test_a_hold_outlives_a_round_of_another_run(home: Home, server: Server, tmp_path: Path) -> None:
    for number in (1, 2):
        install(home, server.release(number))
    roll_back(home.device.adapters())
    other = replace(server, run=OTHER_RUN, seed=50)
    home.device.keep_shared(other.request(2))
    assert used(home) == ("b", 1)
    home.device.keep_shared(server.request(3))  # it begins with release 2, which its user went back from
    assert used(home) == ("b", 1)
    home.device.keep_shared(server.request(4))
    assert used(home) == ("a", 3)


def test_a_newer_release_ends_a_rollback(home: Home, server: Server) -> None:
    for number in (1, 2):
        install(home, server.release(number))
    roll_back(home.device.adapters())
    with pytest.raises(ReleaseRefusedError, match="has release 2"):
        install(home, server.directory / "0002")
    install(home, server.release(3))
    assert (used(home), here(home)) == (("a", 3), [3, 1])


def test_back_and_forth_among_those_that_are_kept(home: Home, server: Server) -> None:
    kept = home.device.adapters()
    with pytest.raises(DeviceError, match="nothing from before"):
        roll_back(kept)
    for number in range(1, 7):
        install(home, server.release(number))
    assert here(home) == [6, 5, 4, 3]
    assert [roll_back(kept).release for _ in range(3)] == [5, 4, 3]
    with pytest.raises(DeviceError, match="nothing from before"):
        roll_back(kept)
    assert here(home) == [6, 5, 4, 3]
    assert roll_back(kept, 1).release == 6
    assert roll_back(kept, 3).release == 4
    assert roll_back(kept, 3).release == 4
    for number in (0, 5):
        with pytest.raises(DeviceError, match="no number"):
            roll_back(kept, number)
    found = kept.shared()
    assert found is not None
    np.testing.assert_array_equal(found.vector, server.vector(4))
    files = sorted(file.name for file in (home.profile.state_directory / "adapters").glob("*.adapter"))
    assert files == [*(f"earlier-{number:08d}.adapter" for number in (3, 5, 6)), "shared.adapter"]


def test_a_rollback_is_taken_without_a_restart(home: Home, server: Server) -> None:
    for number in (1, 2):
        install(home, server.release(number))
    assistant = home.assistant()
    assistant.reply(REQUEST, SHORT)
    assert assistant.state().round_number == 3
    roll_back(home.device.adapters())
    assistant.reply(REQUEST, SHORT)
    assert assistant.state().round_number == 2


def test_rounds_alone_can_be_gone_back_from(home: Home, server: Server) -> None:
    kept = home.device.adapters()
    for number in range(1, 7):
        kept.keep_shared(server.request(number))
    assert here(home) == [5, 4, 3, 2]
    roll_back(kept)
    assert used(home) == ("a", 4)


def test_all_that_is_kept_is_sealed_and_sealed_anew_when_ones_own_is_forgotten(home: Home, server: Server) -> None:
    for number in (1, 2, 3):
        install(home, server.release(number))
    home.train()
    directory = home.profile.state_directory / "adapters"
    for file in directory.glob("*.adapter"):
        assert file.stat().st_mode & 0o777 == 0o600
        assert RUN.encode() not in file.read_bytes()
    assert home.device.forget_personal()
    assert (used(home), here(home)) == (("a", 3), [3, 2, 1])
    roll_back(home.device.adapters())
    assert used(home) == ("a", 2)


def test_what_is_damaged_does_not_stand_in_the_way(home: Home, server: Server) -> None:
    for number in (1, 2, 3):
        install(home, server.release(number))
    directory = home.profile.state_directory / "adapters"
    (directory / "earlier-00000002.adapter").write_bytes(b"x")
    assert here(home) == [3, 1]
    (directory / "shared.adapter").write_bytes(b"x")
    home.device.keep_shared(server.request(5))
    assert (used(home), here(home)) == (("a", 4), [4, 1])


def test_an_adapter_that_was_kept_before_there_were_releases_is_read(home: Home, server: Server) -> None:
    kept = home.device.adapters()
    kept.keep_shared(server.request(2))
    head, vector = kept._files.read("shared.adapter") or ({}, np.zeros(0, dtype=np.float32))
    for name in ("manifest", "sequence", "holds"):
        del head[name]
    kept._files.write("shared.adapter", head, vector)

    install(home, server.release(3))

    assert here(home) == [3, 1]
    assert isinstance(roll_back(home.device.adapters()), SharedAdapter)


def test_a_kill_between_two_writes_loses_nothing(home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        install(home, server.release(number))
    third = server.release(3)
    kept = home.device.adapters()
    real = type(kept._files).write

    def killed(self: object, name: str, *content: object) -> None:
        if name == "shared.adapter":
            raise KeyboardInterrupt
        real(self, name, *content)  # type: ignore[arg-type]

    actions: tuple[Callable[[], object], ...] = (
        lambda: install(home, third),
        lambda: roll_back(home.device.adapters()),
    )
    for action in actions:
        with monkeypatch.context() as patched:
            patched.setattr(type(kept._files), "write", killed)
            with pytest.raises(KeyboardInterrupt):
                action()
        assert (used(home), here(home)) == (("a", 2), [2, 1])
    install(home, third)
    assert here(home) == [3, 2, 1]
