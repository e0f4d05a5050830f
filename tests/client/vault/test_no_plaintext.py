"""Marker strings planted everywhere stand in no byte of any file, whatever is going on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from client.vault.backup import restore
from client.vault.keys import Passphrase
from client.vault.vault import Vault
from tests.client.vault.vaults import (
    MARKERS,
    a_branch,
    a_conversation,
    a_pair,
    data_key,
    decrypted,
    fill,
    found_in,
    key_of,
    new_vault,
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where everything is, the directory for temporary files too."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for name in ("TMPDIR", "SQLITE_TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return tmp_path


def test_the_search_finds_what_is_there(place: Path) -> None:
    (place / "plain").write_text(f"... {MARKERS['pair']} ...")
    (place / "wide").write_bytes(MARKERS["persona"].encode("utf-16-le"))
    assert found_in(place) == {"plain": [MARKERS["pair"]], "wide": [MARKERS["persona"]]}
    directory = place / "vault"
    with new_vault(directory) as vault:
        fill(vault)
    plain = decrypted(directory / "vault.db", data_key(directory))
    assert [marker for marker in MARKERS.values() if marker.encode() not in plain] == []


def test_markers_are_in_no_file_at_any_time(place: Path) -> None:
    directory = place / "vault"
    with new_vault(directory) as vault:
        fill(vault)
        assert (directory / "vault.db-wal").stat().st_size > 0
        assert found_in(place) == {}
        with vault.imports.importing() as transaction:
            for number in range(10, 900):
                transaction.put(a_conversation(number, "x" * 6000), [a_branch(str(number))])
            # More than the cache holds: pages of a transaction that is going on are in the log.
            assert (directory / "vault.db-wal").stat().st_size > 2**20
            assert found_in(place) == {}
        # Sorts and temporary tables of what does not fit a cache either.
        rows = vault._database.execute("SELECT content FROM messages GROUP BY content ORDER BY content || random()")
        assert len(rows) > 1700
        vault._database.execute("CREATE TEMPORARY TABLE spilled AS SELECT content FROM messages")
        assert found_in(place) == {}
        vault._database.execute("DROP TABLE temp.spilled")

        vault.mark_private("chatgpt:c1")
        vault.forget("chatgpt:c2")
        vault.pairs.correct(1, chosen=a_pair("corrected").chosen)
        assert found_in(place) == {}
        vault.rotate_data_key(key_of(directory))
        assert found_in(place) == {}
        vault.back_up(place / "backup", "pass")
        assert found_in(place) == {}
    restore(place / "backup", place / "restored", "pass")
    with Vault.open(place / "restored", Passphrase("pass")) as vault:
        assert len(vault.conversations) == 892
    assert found_in(place) == {}
    assert list((place / "tmp").iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_nor_while_a_backup_is_made_or_restored(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = place / "vault"
    looked = 0
    real = os.fsync

    def look(descriptor: int) -> None:
        nonlocal looked
        looked += 1
        assert found_in(place) == {}
        real(descriptor)

    with new_vault(directory) as vault:
        fill(vault, conversations=20)
        monkeypatch.setattr(os, "fsync", look)
        vault.back_up(place / "backup", "pass")
        restore(place / "backup", place / "restored", "pass", unlocker=key_of(place / "restored"))
    assert looked > 3


def test_nor_after_a_crash_within_a_transaction(place: Path) -> None:
    directory = place / "vault"
    with new_vault(directory) as vault:
        fill(vault)
    command = [sys.executable, "-m", "tests.client.vault.child", "large", str(directory)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    assert (directory / "vault.db-wal").stat().st_size > 2**20
    assert found_in(place) == {}
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert found_in(place) == {}
    copy = shutil.copytree(directory, place / "copy")
    with Vault.open(copy, key_of(directory)) as vault:
        assert len(vault.conversations) == 3
        assert found_in(place) == {}
    assert found_in(place) == {}
