from __future__ import annotations

import json
from pathlib import Path

from simulations.benchmarks.vault import run


def test_the_vault_is_measured_beside_plain_sqlite(tmp_path: Path) -> None:
    lines: list[str] = []
    report = run(tmp_path / "vault.json", conversations=20, singly=5, repeats=1, progress=lines.append)
    assert json.loads((tmp_path / "vault.json").read_text()) == report
    ratios = report["ratios"]
    assert isinstance(ratios, dict)
    assert len(ratios) == 4
    assert all(ratio > 0 for ratio in ratios.values())
    assert len(lines) == 3
