"""What `doctor` finds where there is little to look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from client.doctor import examine
from client.unlocking import open_vault
from tests.client.profiles import new_profile, use_home


def test_a_profile_without_a_vault_is_looked_at_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home")
    shutil.rmtree(profile.vault_directory)
    found = {one.what: one for one in examine(profile, lambda: open_vault(profile), load_model=False)}
    assert found["key"].verdict == "wrong"
    assert "no vault" in found["key"].said
    assert {"disk", "clock", "policy", "ledger", "server", "leftovers"} <= set(found)


def test_files_that_vanish_are_no_problem_of_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_home(monkeypatch, tmp_path / "home")
    profile = new_profile(tmp_path / "home")
    listed = Path.rglob

    def with_one_that_is_gone(place: Path, pattern: str) -> list[Path]:
        return [*listed(place, pattern), place / "gone"]

    monkeypatch.setattr(Path, "rglob", with_one_that_is_gone)
    found = {one.what: one for one in examine(profile, lambda: open_vault(profile), load_model=False)}
    assert found["clock"].verdict == "ok"
