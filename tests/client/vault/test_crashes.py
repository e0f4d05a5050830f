"""`kill -9`, a full disk and a power cut's like: what was committed is there, and nothing was half done."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client.vault.errors import VaultLockedError, VaultStorageError
from client.vault.header import NEXT_HEADER_FILE
from client.vault.keys import KeyFile
from client.vault.vault import Vault
from tests.client.vault.child import text_of
from tests.client.vault.vaults import a_conversation, a_pair, data_key, fill, found_in, in_plain, key_of, new_vault

_PROJECT = Path(__file__).parents[3]


def start(act: str, directory: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.client.vault.child", act, str(directory), *map(str, arguments)]
    return subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, text=True)


def run(act: str, directory: Path, *arguments: object) -> tuple[int, str]:
    process = start(act, directory, *arguments)
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def check(vault: Vault, committed: list[int], newest: int) -> None:
    """Every committed number is there as it was, or was forgotten by the one that forgets it."""
    pairs = {one.conversation_ids[0]: one.pair for one in vault.pairs.every()}
    known = set(committed)
    for number in committed:
        name = f"chatgpt:c{number}"
        forgets = number + 2
        if vault.conversations.forgotten(name):
            # Its number is printed after the forgetting: killed in between, it is not known as committed.
            assert forgets in known or forgets <= newest + 1
            assert forgets % 5 == 4
            assert name not in pairs
        else:
            assert forgets % 5 != 4 or forgets not in known
            assert vault.conversations.get(name) == a_conversation(number, text_of(number))
            assert pairs[name] == a_pair(str(number))


def survive(tmp_path: Path, kills: int) -> int:
    """Kills a writer so often, at random moments, and looks each time; how many records were committed."""
    directory = tmp_path / "vault"
    new_vault(directory).close()
    rng = random.Random(20)
    committed: list[int] = []
    for kill in range(kills):
        following = committed[-1] + 2 if committed else 0  # what was going on may have been committed
        process = start("write", directory, following)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        said = first + process.communicate(timeout=30)[0]
        assert process.returncode == -signal.SIGKILL
        committed += [int(line) for line in said.split("\n")[:-1] if line]
        with Vault.open(directory, key_of(directory)) as vault:
            check(vault, committed if kill % 10 == 9 or kill == kills - 1 else committed[-30:], committed[-1])
            if kill % 10 == 9 or kill == kills - 1:
                assert vault.problems() == ()
    assert found_in(tmp_path) == {}
    return len(committed)


def test_five_kills_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    assert survive(tmp_path, 5) > 5


@pytest.mark.slow
def test_fifty_kills_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    committed = survive(tmp_path, 50)
    print(f"50 kills, {committed} records committed, none lost")
    assert committed > 100


def _rotation_survives(tmp_path: Path, stops: int) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        fill(vault, conversations=30)
    code, said = run("rotate", directory, 0)
    assert code == 0
    events = int(said)
    before_and_after = set()
    for part in range(stops):
        old = data_key(directory)
        stop = 1 + part * events // stops
        code, _ = run("rotate", directory, stop)
        assert code == -signal.SIGKILL
        with Vault.open(directory, key_of(directory)) as vault:
            assert len(vault.conversations) == len(list(vault.conversations)) == 30
            assert vault.problems() == ()
            new = data_key(directory)
            before_and_after.add(old == new)
        assert not (directory / NEXT_HEADER_FILE).exists()
        assert found_in(directory) == {}
    assert before_and_after == {True, False}


def test_a_rotation_that_is_killed_locks_nobody_out(tmp_path: Path) -> None:
    _rotation_survives(tmp_path, 6)


@pytest.mark.slow
def test_a_rotation_that_is_killed_at_any_of_sixty_steps_locks_nobody_out(tmp_path: Path) -> None:
    _rotation_survives(tmp_path, 60)


@pytest.mark.slow
def test_rotations_that_are_killed_at_random_moments_lock_nobody_out(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault, vault.imports.importing() as transaction:
        for number in range(400):  # so that the encrypting itself takes most of the time
            transaction.put(a_conversation(number, "x" * 10_000), [])
    rng = random.Random(21)
    halfway = 0
    for _ in range(25):
        process = start("rotations", directory)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.05, 0.6))
        process.kill()
        process.communicate(timeout=30)
        halfway += (directory / NEXT_HEADER_FILE).exists()
        with Vault.open(directory, key_of(directory)) as vault:
            assert len(list(vault.conversations)) == 400
            assert vault.problems() == ()
    assert halfway > 5


def test_a_change_of_key_that_is_killed_leaves_one_that_opens(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        fill(vault)
    old, new = key_of(directory), KeyFile(tmp_path / "vault.key2")
    new.begin()
    code, said = run("rewrap", directory, 0)
    assert code == 0
    events = int(said)
    opened: list[KeyFile] = []
    # Most of the events are the opening before; the header is replaced near the end.
    for part, stop in enumerate([events // 3, *(max(1, events - back) for back in (200, 100, 60, 40, 25, 15, 5))]):
        with Vault.open(directory, new) as vault:
            vault.change_unlocker(new, old)
        assert run("rewrap", directory, stop)[0] == -signal.SIGKILL
        for key in (old, new):
            try:
                with Vault.open(directory, key) as vault:
                    assert len(vault.conversations) == 3
                opened.append(key)
            except VaultLockedError:
                continue
        assert len(opened) == part + 1
        if opened[-1] is old:
            with Vault.open(directory, old) as vault:
                vault.change_unlocker(old, new)
    assert set(opened) == {old, new}


def test_a_forgetting_that_is_killed_was_done_or_not(tmp_path: Path) -> None:
    events = 0
    seen = set()
    for part in range(5):
        directory = tmp_path / f"vault{part}"
        with new_vault(directory) as vault:
            fill(vault)
        code, said = run("forget", directory, 1 + part * events // 5 if part else 0)
        assert code == (-signal.SIGKILL if part else 0)
        events = events or int(said)
        with Vault.open(directory, key_of(directory)) as vault:
            there = len(vault.conversations)
            assert (there, len(vault.pairs), len(vault.choices), len(vault.personas.load().read)) in {
                (3,) * 4,
                (2,) * 4,
            }
            assert vault.conversations.forgotten("chatgpt:c0") == (there == 2)
            seen.add(there)
        if there == 2:
            assert in_plain(directory, "zebra-pair-e90b 0") == 0
    assert seen == {2, 3}


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    new_vault(directory).close()
    code, said = run("fill", directory, 400_000)
    assert code == 0
    *numbers, last = said.split()
    assert last == "full"
    committed = [int(number) for number in numbers]
    assert len(committed) > 5
    with Vault.open(directory, key_of(directory)) as vault:
        check(vault, committed, committed[-1])
        assert vault.problems() == ()
        vault.conversations.put(a_conversation(9999), source="chats")


def test_a_disk_without_room_for_a_rotation_or_a_backup(tmp_path: Path) -> None:
    directory = tmp_path / "vault"
    with new_vault(directory) as vault:
        for number in range(40):
            vault.conversations.put(a_conversation(number, "x" * 3000), source="imports")
    script = f"""
import resource, signal
from pathlib import Path
from client.vault.errors import VaultStorageError
from client.vault.vault import Vault
from tests.client.vault.vaults import key_of
directory = Path({str(directory)!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Vault.open(directory, key_of(directory)) as vault:
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    for act in (lambda: vault.rotate_data_key(key_of(directory)), lambda: vault.back_up(directory / "backup", "pass")):
        try:
            act()
        except VaultStorageError:
            print("refused", len(vault.conversations))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=_PROJECT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n") == ["refused 40", "refused 40", ""], done.stderr
    assert {file.name.split("-")[0] for file in directory.iterdir()} == {"vault.db", "vault.json"}
    with Vault.open(directory, key_of(directory)) as vault:
        assert vault.problems() == ()
        assert vault.forget("chatgpt:c0").backups == ()


def test_a_full_disk_has_a_name() -> None:
    assert "disk" in str(VaultStorageError())
