"""Exports that were killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from client import export
from client.export import export_all, unfinished_exports
from tests.client.profiles import new_profile, opened, run, someones_conversations, use_home


def test_what_a_killed_export_left_is_named_and_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home", someones_conversations(2))
    place = tmp_path / "elsewhere"
    (place / ".mine.abcdefgh").mkdir(parents=True)  # of somebody else
    (place / ".mine.backup").write_text("kept")
    child = os.fork()
    if child == 0:
        export._privacy = lambda _: os._exit(9)  # type: ignore[assignment]
        with opened(profile) as vault:
            export_all(profile, vault, place / "mine")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    (left,) = unfinished_exports(place)
    assert (left / "export" / "conversations.jsonl").stat().st_size > 100
    assert unfinished_exports(place, "other") == ()
    monkeypatch.chdir(place)
    assert left.name in run("doctor", "--no-model", "--json")

    with opened(profile) as vault:
        export_all(profile, vault, place / "other")
        assert left.exists()
        export_all(profile, vault, place / "mine")
    assert {path.name for path in place.iterdir()} == {"mine", "other", ".mine.abcdefgh", ".mine.backup"}
