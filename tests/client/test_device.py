from __future__ import annotations

import threading
from pathlib import Path

import pytest
from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfigValue

from client.device import DeviceError, InstalledDevice, device_number, open_installed_device
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from tests.federation import MARKER, FewDevices


def _context(**config: UserConfigValue) -> Context:
    spelled = {name.replace("_", "-"): value for name, value in config.items()}
    return Context(run_id=1, node_id=2**63 + 5, node_config=spelled, state=RecordDict(), run_config={})


def test_an_installed_device_reads_its_users_pairs(tmp_path: Path) -> None:
    pairs = FewDevices().pairs(2)
    write_preference_lines(tmp_path / "pairs.jsonl", [PreferenceLine(pair=pair) for pair in pairs])

    device = open_installed_device(_context(pairs=str(tmp_path / "pairs.jsonl"), state_dir=str(tmp_path / "state")))

    assert device.pairs() == pairs


def test_what_is_missing_or_damaged_is_said_without_content(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(f'{{"prompt": "{MARKER}"}}\n')
    device = InstalledDevice(pairs_file=tmp_path / "pairs.jsonl", state_directory=tmp_path)

    with pytest.raises(DeviceError) as refused:
        device.pairs()
    assert MARKER not in str(refused.value)
    with pytest.raises(DeviceError, match="state-dir"):
        open_installed_device(_context(pairs="x"))
    with pytest.raises(DeviceError, match="IsADirectoryError"):
        InstalledDevice(pairs_file=tmp_path, state_directory=tmp_path).pairs()


def test_a_file_that_is_not_there_yet_holds_no_pairs(tmp_path: Path) -> None:
    assert InstalledDevice(pairs_file=tmp_path / "none.jsonl", state_directory=tmp_path).pairs() == ()


def test_the_noise_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    state = tmp_path / "state"
    keys: list[bytes] = []
    device = InstalledDevice(pairs_file=tmp_path / "pairs.jsonl", state_directory=state)
    threads = [threading.Thread(target=lambda: keys.append(device.noise_key())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert [file.name for file in state.iterdir()] == ["noise.key"]
    assert (state / "noise.key").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_noise_key_that_others_can_read_or_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    device = InstalledDevice(pairs_file=tmp_path / "pairs.jsonl", state_directory=tmp_path)
    device.noise_key()
    (tmp_path / "noise.key").chmod(0o644)
    with pytest.raises(DeviceError, match="0600"):
        device.noise_key()
    (tmp_path / "noise.key").chmod(0o600)
    (tmp_path / "noise.key").write_bytes(b"short")
    with pytest.raises(DeviceError, match="damaged"):
        device.noise_key()


def test_a_device_is_known_by_its_number() -> None:
    assert device_number(_context(device_number=3, partition_id=4)) == 3
    assert device_number(_context(partition_id=4)) == 4
    assert device_number(_context()) == 5
