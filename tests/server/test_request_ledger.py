from __future__ import annotations

from pathlib import Path

from server.request_ledger import LEDGER_FILE, charge, count_charges


def test_every_attempt_counts_and_the_same_one_counts_once(tmp_path: Path) -> None:
    assert count_charges(tmp_path) == 0
    for number, attempt in ((1, 1), (1, 2), (2, 1), (2, 1)):
        charge(tmp_path, round_number=number, attempt=attempt)

    assert count_charges(tmp_path) == 3


def test_half_a_line_counts_and_does_not_swallow_the_next(tmp_path: Path) -> None:
    charge(tmp_path, round_number=1, attempt=1)
    with (tmp_path / LEDGER_FILE).open("ab") as file:
        file.write(b'{"round": 2, "att')

    charge(tmp_path, round_number=3, attempt=1)

    assert count_charges(tmp_path) == 3
