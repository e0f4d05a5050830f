from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.releases import read_rounds
from server.round_record import RoundRecord
from shared.plan_terms import UserPrivacyTerms
from simulations.engines.deployed import DeploymentError, run_deployed
from simulations.engines.inline import run_inline
from simulations.run.ledger_check import check_run_ledger
from tests.federation import MARKER, FewDevices, adapter_vector, plan


def _processes_of(place: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if place in str((entry / "cwd").readlink()) or place in (entry / "environ").read_text(errors="ignore"):
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_superlink_and_two_supernodes_give_the_adapter_of_the_inline_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    of, population = plan(rounds=2, cohort_size=2, devices=2, round_timeout=300.0), FewDevices(devices=2)
    seen: list[RoundRecord] = []
    run_inline(of, population, directory=tmp_path / "inline", processes=0)
    run_deployed(of, population, directory=tmp_path / "deployed", observe=seen.append, timeout=500.0)
    monkeypatch.undo()

    np.testing.assert_allclose(adapter_vector(tmp_path / "deployed"), adapter_vector(tmp_path / "inline"), atol=1e-5)
    assert [(record.round_number, record.replies) for record in seen] == [(1, 2), (2, 2)]
    assert not list(tmp_path.glob("tacit-deployed-*"))
    if Path("/proc").is_dir():
        assert not _processes_of(str(tmp_path))
    left = [file for file in (tmp_path / "deployed").rglob("*") if file.is_file()]
    assert left
    assert not [file for file in left if MARKER.encode() in file.read_bytes()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_supernodes_with_policies_and_ledgers_take_part_as_often_as_they_may(tmp_path: Path) -> None:
    terms = UserPrivacyTerms(noise_multiplier=2.0, participations=2)
    of = replace(plan(rounds=2, cohort_size=2, devices=2, round_timeout=300.0), user_privacy=terms, sampling="schedule")
    run_deployed(of, FewDevices(devices=2), directory=tmp_path / "run", timeout=500.0)

    records = read_rounds(tmp_path / "run")
    assert [(record.replies, record.failures) for record in records] == [(2, ()), (2, ())]
    assert all(record.noise_std > 0 and record.metrics is None for record in records)
    assert check_run_ledger(tmp_path / "run" / "ledger.jsonl").checks[0].agrees


def test_more_devices_than_a_machine_carries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match="at most 32"):
        run_deployed(replace(plan(), devices=33), FewDevices(devices=33), directory=tmp_path)
