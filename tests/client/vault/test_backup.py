"""Backups: whole or refused, with a new data key and without consents; and what they never set back."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from client.vault.backup import restore
from client.vault.errors import BackupError, UnlockerError, VaultExistsError, VaultStorageError
from client.vault.keys import KeyFile, Passphrase
from client.vault.sealed_stream import seal, unseal
from client.vault.vault import Vault
from tests.client.vault.vaults import a_conversation, data_key, fill, found_in, key_of, new_vault

OPAQUE = "the backup cannot be restored: the passphrase is wrong, or the file is damaged"


def a_backup(tmp_path: Path) -> Path:
    with new_vault(tmp_path / "vault") as vault:
        fill(vault)
        vault.back_up(tmp_path / "backup", "pass")
    return tmp_path / "backup"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_backup_comes_back_under_another_key(tmp_path: Path) -> None:
    backup = a_backup(tmp_path)
    assert backup.stat().st_mode & 0o777 == 0o600
    restore(backup, tmp_path / "restored", "pass")
    with (
        Vault.open(tmp_path / "vault", key_of(tmp_path / "vault")) as old,
        Vault.open(tmp_path / "restored", Passphrase("pass")) as new,
    ):
        assert list(new.conversations) == list(old.conversations)
        assert [one.pair for one in new.pairs.every()] == [one.pair for one in old.pairs.every()]
        assert new.personas.load() == old.personas.load()
        assert new.problems() == ()
        assert old.consents.granted("imports") is True
        assert new.consents.granted("imports") is None
        assert list(new.conversations.trainable()) == []
    for file in (tmp_path / "restored").iterdir():
        assert file.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("quick")
def test_the_restored_data_key_is_new(tmp_path: Path) -> None:
    backup = a_backup(tmp_path)
    keys = [data_key(tmp_path / "vault")]
    with backup.open("rb") as file:
        keys.append(b"".join(unseal(file, "pass"))[:32])
    for name in ("one", "two"):
        restore(backup, tmp_path / name, "pass", unlocker=key_of(tmp_path / name))
        keys.append(data_key(tmp_path / name))
    assert len(set(keys)) == 4


@pytest.mark.usefixtures("quick")
def test_nothing_is_made_of_a_backup_that_was_cut_or_altered(tmp_path: Path) -> None:
    backup = a_backup(tmp_path)
    whole = backup.read_bytes()
    before = names(tmp_path)
    spoiled = {f"cut at {part}/20": whole[: part * len(whole) // 20] for part in range(20)}
    spoiled |= {
        f"altered at {part}/20": whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for part in range(20)
        for place in [part * (len(whole) - 1) // 20]
    }
    head = 12 + int.from_bytes(whole[8:12], "big")
    chunk = 65_536 + 16
    assert len(whole) > head + 2 * chunk
    first, second = whole[head : head + chunk], whole[head + chunk : head + 2 * chunk]
    spoiled |= {
        "cut between chunks": whole[: head + chunk],
        "with something after it": whole + b"x",
        "chunks swapped": b"".join([whole[:head], second, first, whole[head + 2 * chunk :]]),
        "asking for terabytes": whole.replace(b"16384", b"99999"),
        "empty": b"",
    }  # fmt: skip
    for what, content in spoiled.items():
        backup.write_bytes(content)
        with pytest.raises(BackupError) as caught:
            restore(backup, tmp_path / "restored", "pass")
        assert str(caught.value) == OPAQUE, what
        assert names(tmp_path) == before, what
    backup.write_bytes(whole)
    with pytest.raises(BackupError, match=OPAQUE):
        restore(backup, tmp_path / "restored", "wrong")
    restore(backup, tmp_path / "restored", "pass")


@pytest.mark.usefixtures("quick")
def test_what_is_sealed_but_is_no_vault_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"short", bytes(32), bytes(40_000)):
        (tmp_path / "backup").write_bytes(b"".join(seal([content], "pass")))
        with pytest.raises(BackupError, match=OPAQUE):
            restore(tmp_path / "backup", tmp_path / "restored", "pass")
        assert names(tmp_path) == ["backup"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_a_stream_of_any_length_comes_back(size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    sealed = b"".join(seal([content[:100], b"", content[100:]], "pass"))
    assert b"".join(unseal(io.BytesIO(sealed), "pass")) == content


@pytest.mark.usefixtures("quick")
def test_nothing_is_overwritten(tmp_path: Path) -> None:
    backup = a_backup(tmp_path)
    with Vault.open(tmp_path / "vault", key_of(tmp_path / "vault")) as vault:
        with pytest.raises(VaultExistsError):
            vault.back_up(backup, "pass")
        with pytest.raises(UnlockerError):
            vault.back_up(tmp_path / "other", "")
        with pytest.raises(VaultStorageError):
            vault.back_up(tmp_path / "no" / "such", "pass")
        assert vault.forget("chatgpt:c0").backups == (str(backup),)
    with pytest.raises(VaultExistsError):
        restore(backup, tmp_path / "vault", "pass")
    with pytest.raises(VaultStorageError):
        restore(tmp_path / "none", tmp_path / "restored", "pass")
    (tmp_path / "restored").mkdir()
    restore(backup, tmp_path / "restored", "pass", unlocker=KeyFile(tmp_path / "key"))
    Vault.open(tmp_path / "restored", KeyFile(tmp_path / "key")).close()


@pytest.mark.usefixtures("quick")
def test_what_left_the_device_is_not_set_back(tmp_path: Path) -> None:
    """The ledger, what is counted from it and the answered rounds are other files, which no restore touches."""
    state, ledger = tmp_path / "state", tmp_path / "state-ledger"
    for file in (state / "ledger.anchor", state / "answered" / "run", state / "noise.key", ledger / "ledger.jsonl"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"before " + file.name.encode())
    backup = a_backup(tmp_path)
    with backup.open("rb") as sealed:
        content = b"".join(unseal(sealed, "pass"))
    assert b"before" not in content
    files = [file for place in (state, ledger) for file in place.rglob("*") if file.is_file()]
    for file in files:
        file.write_bytes(b"after")
    restore(backup, state / "vault", "pass")
    assert all(file.read_bytes() == b"after" for file in files)
    assert names(state) == ["answered", "ledger.anchor", "noise.key", "vault"]


@pytest.mark.usefixtures("quick")
def test_a_backup_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        fill(vault)
        stop = threading.Event()

        def write() -> None:
            with Vault.open(directory, key_of(directory)) as other:
                number = 100
                while not stop.is_set():
                    other.conversations.put(a_conversation(number, "x" * 500), source="imports")
                    number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            vault.back_up(tmp_path / "backup", "pass")
        finally:
            stop.set()
            writer.join()
    restore(tmp_path / "backup", tmp_path / "restored", "pass", unlocker=key_of(tmp_path / "restored"))
    with Vault.open(tmp_path / "restored", key_of(tmp_path / "restored")) as restored:
        names = [one.conversation_id for one in restored.conversations]
        assert names == [f"chatgpt:c{number}" for number in [0, 1, 2, *range(100, 97 + len(names))]]
        assert restored.problems() == ()
    assert found_in(tmp_path) == {}
