from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.ledger import LEDGER_FILE, ChainError, RunLedger, count_charges
from tests.federation import plan


def _begun(path: Path, *, private: bool = True, devices: range | tuple[int, ...] = range(4)) -> RunLedger:
    ledger = RunLedger(path)
    ledger.begin(plan(private=private), devices)
    return ledger


def test_every_attempt_counts_and_the_same_one_counts_once(tmp_path: Path) -> None:
    assert count_charges(tmp_path) == 0
    ledger = _begun(tmp_path)

    places = [ledger.ask(*asked) for asked in ((1, 1), (1, 2), (2, 1), (2, 1), (1, 2))]

    assert places == [0, 1, 2, 2, 1]
    assert count_charges(tmp_path) == 3


def test_half_a_line_was_never_acted_on_and_is_cut_off(tmp_path: Path) -> None:
    ledger = _begun(tmp_path)
    ledger.ask(1, 1)
    with (tmp_path / LEDGER_FILE).open("ab") as file:
        file.write(b'{"previous": "ab')

    assert ledger.ask(2, 1) == 1

    assert count_charges(tmp_path) == 2


def test_a_run_is_named_once_and_no_two_private_runs_alike(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (_begun(tmp_path / name).state() for name in "ab")

    assert first is not None
    assert second is not None
    assert first.run != second.run
    assert first.plan == second.plan == plan(private=True).digest()


def test_a_run_without_privacy_is_named_by_its_plan(tmp_path: Path) -> None:
    state = _begun(tmp_path, private=False).state()

    assert state is not None
    assert state.run == plan().digest()[:32]
    assert state.run != replace(plan(), seed=1).digest()[:32]


@pytest.mark.parametrize("devices", [range(1_000_000), (0, 1, 2, 7, 9, 10)])
def test_the_devices_that_began_are_remembered(tmp_path: Path, devices: range | tuple[int, ...]) -> None:
    state = _begun(tmp_path, devices=devices).state()

    assert state is not None
    assert state.devices == tuple(devices)
    assert state.device_count == len(devices)
    assert (tmp_path / LEDGER_FILE).stat().st_size < 2_000


def test_a_release_stands_once(tmp_path: Path) -> None:
    ledger = _begun(tmp_path)
    ledger.ask(1, 1)
    for _ in range(2):
        ledger.release(1, 1)

    state = ledger.state()
    assert state is not None
    assert state.released == (1,)
    assert len((tmp_path / LEDGER_FILE).read_text().splitlines()) == 3


def test_another_kind_of_log_is_no_ledger(tmp_path: Path) -> None:
    from shared.privacy import chained_log

    chained_log.append(tmp_path / LEDGER_FILE, {"kind": "charge"})

    with pytest.raises(ChainError, match="is not a run's ledger"):
        RunLedger(tmp_path).state()
