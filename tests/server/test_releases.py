from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from peft import PeftModel

from server.releases import ReleaseError, RunDirectory, read_rounds
from server.round_record import CohortMetrics, NodeFailure, RoundRecord
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import load_language_model
from tests.federation import plan
from tests.tiny import language_model


@cache
def _adapted() -> AdaptedModel:
    return attach_adapter(load_language_model(plan().model), plan().adapter)


def _record(number: int) -> RoundRecord:
    return RoundRecord(
        round_number=number,
        rounds=3,
        attempts=1,
        cohort=4,
        replies=3,
        no_pairs=0,
        failures=(NodeFailure(node=7, device=1, attempt=1, reason="timeout"),),
        seconds=0.5,
        bytes_down=10,
        bytes_up=20,
        step_norm=1.0,
        metrics=CohortMetrics(
            loss=1.0, accuracy=0.5, update_norm=2.0, largest_update_norm=3.0, clipped=1.0, pairs=9, device_seconds=0.1
        ),
    )


def _vector(value: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.full(_adapted().spec.dimension, value, dtype=np.float32)


def _directory(path: Path, **changes: object) -> RunDirectory:
    return RunDirectory(path, plan=replace(plan(), **changes), spec=_adapted().spec)  # type: ignore[arg-type]


def _begun(path: Path) -> RunDirectory:
    directory = _directory(path)
    directory.open(resume=False)
    directory.begin(range(4))
    for number in (1, 2):
        directory.commit(_vector(number), _record(number))
    return directory


def test_a_record_survives_its_line() -> None:
    assert RoundRecord.from_json(_record(2).to_json()) == _record(2)


def test_a_run_resumes_at_its_last_release(tmp_path: Path) -> None:
    _begun(tmp_path / "run")

    release = _directory(tmp_path / "run").open(resume=True)

    assert release is not None
    assert release.round_number == 2
    assert np.array_equal(release.vector, _vector(2))
    assert read_rounds(tmp_path / "run") == (_record(1), _record(2))


def test_nothing_is_resumed_by_accident(tmp_path: Path) -> None:
    _begun(tmp_path)

    with pytest.raises(ReleaseError, match="holds a run already"):
        _directory(tmp_path).open(resume=False)


def test_another_plan_is_refused_by_the_names_of_its_keys(tmp_path: Path) -> None:
    _begun(tmp_path)

    with pytest.raises(ReleaseError, match=r"federation\.rounds, federation\.seed$"):
        _directory(tmp_path, seed=5, rounds=9).open(resume=True)


def test_another_model_under_the_same_name_is_refused(tmp_path: Path) -> None:
    _begun(tmp_path)
    other = RunDirectory(tmp_path, plan=plan(), spec=replace(_adapted().spec, base_fingerprint="0" * 64))

    with pytest.raises(ReleaseError, match="another base model"):
        other.open(resume=True)


@pytest.mark.parametrize("tail", [b'{"round_number": 3, "rou', b"\xff", b""])
def test_a_last_line_cut_short_is_mended(tmp_path: Path, tail: bytes) -> None:
    _begun(tmp_path)
    with (tmp_path / "rounds.jsonl").open("ab") as file:
        file.write(tail)

    assert read_rounds(tmp_path) == (_record(1), _record(2))
    directory = _directory(tmp_path)
    directory.open(resume=True)
    directory.commit(_vector(3), _record(3))
    assert [record.round_number for record in read_rounds(tmp_path)] == [1, 2, 3]


def test_a_kill_between_release_and_line_loses_neither(tmp_path: Path) -> None:
    _begun(tmp_path)
    lines = (tmp_path / "rounds.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "rounds.jsonl").write_text(lines[0])

    _directory(tmp_path).open(resume=True)

    assert read_rounds(tmp_path) == (_record(1), _record(2))


def test_a_line_in_the_middle_that_is_damaged_is_not_passed_over(tmp_path: Path) -> None:
    _begun(tmp_path)
    lines = (tmp_path / "rounds.jsonl").read_text().splitlines()
    (tmp_path / "rounds.jsonl").write_text("\n".join([lines[0][:20], lines[1]]) + "\n")

    with pytest.raises(ReleaseError, match="line 1"):
        read_rounds(tmp_path)


def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path: Path) -> None:
    _begun(tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x00" * 50)

    with pytest.raises(ReleaseError, match="damaged"):
        _directory(tmp_path).open(resume=True)


def test_numbers_that_are_not_finite_are_never_released(tmp_path: Path) -> None:
    directory = _begun(tmp_path)

    with pytest.raises(ReleaseError, match="not finite"):
        directory.commit(_vector(np.nan), _record(3))
    with pytest.raises(ReleaseError, match="size"):
        directory.commit(_vector(1)[:-1], _record(3))
    assert [record.round_number for record in read_rounds(tmp_path)] == [1, 2]


def test_a_full_disk_leaves_the_last_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = _begun(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ReleaseError, match="No space left on device"):
            directory.commit(_vector(3), _record(3))
    release = _directory(tmp_path).open(resume=True)
    assert release is not None
    assert release.round_number == 2
    assert not list(tmp_path.glob(".writing-*"))


def test_a_place_that_cannot_be_written_is_refused_before_any_round(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ReleaseError, match="cannot use"):
        _directory(tmp_path / "file" / "run").open(resume=False)


def test_the_adapter_is_a_peft_directory_and_is_replaced_whole(tmp_path: Path) -> None:
    directory = _begun(tmp_path)
    vector = np.random.default_rng(0).standard_normal(_adapted().spec.dimension).astype(np.float32)
    directory.finish(_adapted(), _vector(1))

    path = directory.finish(_adapted(), vector)

    assert sorted(file.name for file in path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert not list(tmp_path.glob(".writing-*"))
    loaded = PeftModel.from_pretrained(language_model("llama").model, str(path))
    named = dict(loaded.named_parameters())
    shared = [weight for name, weight in named.items() if "lora_B" in name]
    assert np.array_equal(np.concatenate([weight.detach().numpy().ravel() for weight in shared]), vector)
