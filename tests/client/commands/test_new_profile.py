"""Profiles that were begun and not finished, and new devices that begin with a backup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from client.everything import destroy_profile
from client.profile import Profile, ProfileError, ProfileSettings
from client.unlocking import new_passphrase
from client.vault import backup
from client.vault.errors import UnlockerError
from client.vault.keys import KeyFile, Passphrase
from client.vault.leftovers import leftovers
from client.vault.vault import Vault
from tests.client.profiles import PASSPHRASE, new_profile, opened, run, someones_conversations, use_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def kept(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup of three conversations, and no profile any more."""
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "of the backup")
    profile = new_profile(home, someones_conversations(3))
    run("vault", "backup", str(tmp_path / "a.backup"))
    destroy_profile(profile)
    return tmp_path / "a.backup"


def _killed_before_its_end(home: Path, monkeypatch: pytest.MonkeyPatch, unlocker: Passphrase | KeyFile) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Profile, "write", lambda _self: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            Profile.create(home, ProfileSettings(), unlocker)
    assert (home / "vault" / "vault.json").exists()


def test_a_making_that_was_killed_is_finished(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_before_its_end(home, monkeypatch, Passphrase(PASSPHRASE))
    monkeypatch.setenv("TACIT_PASSPHRASE", "another")
    assert "move that directory away" in run("init", status=1)
    assert "give what was chosen" in run("init", "--key-file", str(home.parent / "key"), status=1)
    monkeypatch.setenv("TACIT_PASSPHRASE", PASSPHRASE)
    assert "opened by passphrase" in run("init")
    with opened(Profile.load(home)) as vault:
        assert vault.holds_nothing()


def test_a_vault_that_holds_something_is_not_taken_over(home: Path) -> None:
    new_profile(home, someones_conversations(1))
    (home / "profile.toml").unlink()
    said = run("init", status=1)
    assert "profile.toml" in said
    assert "format = 1" in said
    (home / "profile.toml").write_text("format = 1\n[model]\n")
    with opened(Profile.load(home)) as vault:
        assert len(vault.conversations) == 1


def test_a_new_device_begins_with_a_backup(home: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "another")
    assert "passphrase is wrong" in run("init", "--from-backup", str(kept), status=1)
    assert not (home / "profile.toml").exists()
    assert not (home / "vault").exists()
    monkeypatch.setenv("TACIT_BACKUP_PASSPHRASE", "of the backup")
    _killed_before_its_end(home, monkeypatch, Passphrase(PASSPHRASE))
    assert "restored" in run("init", "--from-backup", str(kept))
    with opened(Profile.load(home)) as vault:
        assert len(vault.conversations) == 3
        assert vault.taking_part.state() == "paused"
    assert "there is a profile" in run("init", "--from-backup", str(kept), status=1)


def test_a_backup_takes_the_place_of_a_vault_that_holds_nothing(home: Path, kept: Path) -> None:
    run("init")
    assert "restored" in run("vault", "restore", str(kept))
    with opened(Profile.load(home)) as vault:
        assert len(vault.conversations) == 3
    assert "is not replaced" in run("vault", "restore", str(kept), status=1)
    assert {path.name for path in home.iterdir()} == {"profile.toml", "state", "vault"}


def test_a_key_file_opens_what_took_the_place(home: Path, kept: Path) -> None:
    key = home.parent / "key"
    run("init", "--key-file", str(key))
    before = key.read_bytes()
    run("vault", "restore", str(kept))
    assert key.read_bytes() == before
    with Vault.open(home / "vault", KeyFile(key)) as vault:
        assert len(vault.conversations) == 3


def test_what_a_killed_restore_left_is_found_and_destroyed(home: Path, kept: Path) -> None:
    run("init")
    profile = Profile.load(home)
    (home / "vault" / ".vault.json.abcdefgh").write_text("{}")
    (home / "vault" / ".vault.next.json.abcdefgh").write_text("{}")
    for _ in range(2):
        child = os.fork()
        if child == 0:
            backup._make_room = lambda *_: os._exit(9)
            backup.restore(
                kept, profile.vault_directory, "of the backup", unlocker=Passphrase(PASSPHRASE), replaces=True
            )
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert len(leftovers(profile.vault_directory)) == 1  # the next restore removes what the last one left
        (home / ".vault.backup").mkdir(exist_ok=True)  # somebody's own
    assert "begun and killed" in run("doctor", "--no-model", "--json")
    destroy_profile(profile)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert leftovers(profile.vault_directory) == ()


def test_a_new_passphrase_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TACIT_PASSPHRASE", raising=False)
    typed = iter(("one", "one", "one", "two"))
    assert new_passphrase(lambda _: next(typed), "New") == "one"
    with pytest.raises(UnlockerError, match="differ"):
        new_passphrase(lambda _: next(typed), "New")


def test_an_interrupted_profile_is_an_error_that_says_what_to_do(home: Path) -> None:
    new_profile(home, someones_conversations(1))
    (home / "profile.toml").unlink()
    with pytest.raises(ProfileError, match="move that directory away"):
        Profile.create(home, ProfileSettings(), Passphrase(PASSPHRASE))
