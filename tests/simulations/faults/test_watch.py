from __future__ import annotations

from pathlib import Path

import pytest

from shared.privacy import chained_log
from simulations.faults.watch import PHASES, Phase, Watch, charged, entries

_RUN = {"kind": "begin", "run": "r", "plan": "p", "terms": {}, "numbers": [[0, 1]]}


def _place(round_number: int, attempt: int = 1) -> dict[str, object]:
    return {"run": "r", "round": round_number, "attempt": attempt}


@pytest.fixture
def ledgers(tmp_path: Path) -> dict[int, Path]:
    chained_log.append(tmp_path / "ledger.jsonl", _RUN)
    found = {number: tmp_path / f"device-{number}.jsonl" for number in range(2)}
    for path in found.values():
        chained_log.append(path, {"kind": "device"})
    return found


def _begun(watch: Watch) -> set[Phase]:
    return {phase for phase in PHASES if watch.has_begun(phase, 0)}


def test_phases_begin_with_the_lines_of_their_round_and_run_alone(tmp_path: Path, ledgers: dict[int, Path]) -> None:
    watch = Watch(tmp_path, ledgers, round_number=2)
    first, second = ledgers[0], ledgers[1]
    chained_log.append(first, {"kind": "charge", **_place(1)})
    chained_log.append(first, {"kind": "stage", "stage": "mask", **_place(1)})
    chained_log.append(first, {"kind": "charge", **_place(2), "run": "another"})
    chained_log.append(tmp_path / "ledger.jsonl", {"kind": "release", "round": 1, "attempt": 1})
    assert _begun(watch) == set()

    chained_log.append(first, {"kind": "charge", **_place(2)})
    assert _begun(watch) == {"training"}
    chained_log.append(first, {"kind": "stage", "stage": "mask", **_place(2)})
    assert _begun(watch) == {"training", "mask"}
    chained_log.append(first, {"kind": "stage", "stage": "reveal", **_place(2)})
    assert _begun(watch) == {"training", "mask", "reveal"}
    chained_log.append(second, {"kind": "stage", "stage": "reveal", **_place(2)})
    chained_log.append(tmp_path / "ledger.jsonl", {"kind": "release", "round": 2, "attempt": 1})
    assert _begun(watch) == {"training", "mask", "reveal", "aggregation", "release"}


def test_what_a_device_debited_is_told_by_run(ledgers: dict[int, Path]) -> None:
    for entry in (_place(1), _place(1, 2), {**_place(2), "run": "another"}):
        chained_log.append(ledgers[0], {"kind": "charge", **entry})

    assert charged(ledgers[0], "r") == [(1, 1), (1, 2)]
    assert charged(ledgers[1], "r") == []


def test_a_ledger_that_is_not_there_or_half_written_says_nothing_yet(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"entry": {}, "digest": "no"}\n')

    assert entries(tmp_path / "none.jsonl") == ()
    assert entries(broken) == ()
