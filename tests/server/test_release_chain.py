"""Signed releases of a run: whole or not there, and each after the one before."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from server.release_chain import read_chain, read_release, release_directories
from server.releases import ReleaseError, RunDirectory
from server.round_record import RoundRecord
from server.whole_files import write_whole
from shared.adapter import AdaptedModel, attach_adapter
from shared.language_model import load_language_model
from shared.release import ADAPTER_FILE, MANIFEST_FILE, ReleaseManifest, ReleaseManifestError
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey
from tests.federation import plan

KEY = ServerKey.from_bytes(bytes(range(32)))


class Killed(BaseException):
    """What a process does not survive."""


@cache
def adapted() -> AdaptedModel:
    return attach_adapter(load_language_model(plan().model), plan().adapter)


def vector(value: float) -> NDArray[np.float32]:
    return np.full(adapted().spec.dimension, value, dtype=np.float32)


def record(number: int) -> RoundRecord:
    return RoundRecord(
        round_number=number, rounds=9, attempts=1, cohort=4, replies=3, no_pairs=0, failures=(), seconds=0.5,
        bytes_down=10, bytes_up=20, step_norm=1.0,
    )  # fmt: skip


def run_directory(path: Path, *, key: ServerKey | None = KEY, kept: int = 9) -> RunDirectory:
    return RunDirectory(path, plan=run_plan(), spec=adapted().spec, signing_key=key, kept_releases=kept)


def run_plan() -> FederationPlan:
    return plan(rounds=9)


def begun(path: Path, rounds: int, **how: object) -> RunDirectory:
    """A run that has released so many rounds."""
    directory = run_directory(path, **how)  # type: ignore[arg-type]
    directory.open(resume=False)
    directory.begin(range(4))
    for number in range(1, rounds + 1):
        directory.charge(number, 1)
        directory.commit(vector(number), record(number))
    return directory


def resumed(path: Path, **how: object) -> RunDirectory:
    directory = run_directory(path, **how)  # type: ignore[arg-type]
    directory.open(resume=True)
    directory.begin(range(4))
    return directory


def test_every_round_is_released_signed_and_named_by_the_next(tmp_path: Path) -> None:
    begun(tmp_path, 3)

    chain = read_chain(tmp_path)

    assert [one.round_number for one in chain] == [1, 2, 3]
    assert [one.previous for one in chain] == ["", chain[0].digest(), chain[1].digest()]
    for number, one in enumerate(chain, 1):
        one.check({KEY.public})
        payload = read_release(tmp_path, one)
        assert payload.plan == run_plan()
        assert one.specification == adapted().spec.digest()
        assert np.array_equal(payload.vector, vector(number))
    names = {file.name for one in release_directories(tmp_path) for file in one.iterdir()}
    assert names == {ADAPTER_FILE, MANIFEST_FILE}


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    begun(tmp_path, 2, key=None)

    assert not (tmp_path / "releases").exists()


def test_the_last_adapters_are_kept_and_every_manifest(tmp_path: Path) -> None:
    begun(tmp_path, 5, kept=2)

    chain = read_chain(tmp_path)
    kept = [int(one.name) for one in release_directories(tmp_path) if (one / ADAPTER_FILE).exists()]
    assert [one.round_number for one in chain] == [1, 2, 3, 4, 5]
    assert kept == [4, 5]
    with pytest.raises(ReleaseManifestError, match="no longer kept"):
        read_release(tmp_path, chain[0])


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("write", [0, 1, 2])
def test_a_kill_at_any_write_leaves_no_half_release_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int, write: int
) -> None:
    directory = begun(tmp_path, rounds - 1) if rounds > 1 else begun(tmp_path, 0)
    real, seen = write_whole, 0

    def killed(path: Path, content: bytes, *, mode: int = 0o644) -> None:
        nonlocal seen
        if seen == write:
            path.with_name(".writing-half").write_bytes(content[:10])
            raise Killed
        seen += 1
        real(path, content, mode=mode)

    with monkeypatch.context() as patched:
        patched.setattr("server.release_chain.write_whole", killed)
        patched.setattr("server.whole_files.shutil.rmtree", lambda *_, **__: None)
        if write == 2:  # both files are there, the name is not
            patched.setattr(Path, "replace", _killed_for_releases(Path.replace))
        with pytest.raises(Killed):
            directory.commit(vector(rounds), record(rounds))
    assert len(read_chain(tmp_path)) == rounds - 1

    again = resumed(tmp_path)

    chain = read_chain(tmp_path)
    assert len(chain) == rounds
    assert np.array_equal(read_release(tmp_path, chain[-1]).vector, vector(rounds))
    assert not list((tmp_path / "releases").glob("**/.writing-*"))
    again.commit(vector(9), record(rounds + 1))
    assert len(read_chain(tmp_path)) == rounds + 1


def _killed_for_releases(real: object) -> object:
    def replace_(self: Path, target: Path) -> Path:
        if self.is_dir():
            raise Killed
        return real(self, target)  # type: ignore[operator,no-any-return]

    return replace_


def test_a_kill_before_the_rounds_line_makes_no_second_release(tmp_path: Path) -> None:
    begun(tmp_path, 2)
    before = read_chain(tmp_path)
    (tmp_path / "rounds.jsonl").write_text(record(1).to_json() + "\n")

    resumed(tmp_path)

    assert read_chain(tmp_path) == before


def test_the_last_adapter_is_mended_from_the_checkpoint(tmp_path: Path) -> None:
    begun(tmp_path, 2)
    file = tmp_path / "releases" / "0002" / ADAPTER_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:20])

    resumed(tmp_path)

    assert file.read_bytes() == whole


def _edit(number: int, **changes: object) -> object:
    def edit(path: Path) -> None:
        file = path / "releases" / f"{number:04d}" / MANIFEST_FILE
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return edit


def _sign_anew(number: int, **changes: object) -> object:
    """The server's own key, telling another story."""

    def edit(path: Path) -> None:
        file = path / "releases" / f"{number:04d}" / MANIFEST_FILE
        said = ReleaseManifest.from_json(file.read_bytes())
        file.write_text(replace(said, **changes).signed(KEY).to_json())  # type: ignore[arg-type]

    return edit


def _swap(path: Path) -> None:
    releases = path / "releases"
    (releases / "0002").rename(releases / "0009")


def _move(path: Path, *numbers: int) -> None:
    for number in numbers:
        (path / "releases" / f"{number:04d}").rename(path / f"away-{number}")


BROKEN = {
    "changed": (_edit(2, made=1_900_000_000), "release 2: the server did not sign"),
    "unknown key": (_edit(1, pickle=""), "release 1: 1 unknown keys"),
    "manifest gone": (lambda path: (path / "releases/0002" / MANIFEST_FILE).unlink(), "release 2: its manifest"),
    "release gone": (lambda path: (path / "releases/0001").rename(path / "away"), "release 2: previous"),
    "renumbered": (_swap, "release 3: round_number"),
    "other story": (_sign_anew(2, made=1_900_000_000), "release 3: previous"),
    "other story's end": (_sign_anew(3, previous="44" * 32), "release 3: previous"),
    "other adapter": (_sign_anew(3, adapter="44" * 32), "adapter: release 3 has another"),
    "all gone": (lambda path: shutil.rmtree(path / "releases"), "before release 3 are gone"),
    "last gone": (lambda path: _move(path, 2, 3), "the last release is 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_chain_is_not_gone_on_with(tmp_path: Path, name: str) -> None:
    begun(tmp_path, 3)
    breaks, said = BROKEN[name]
    breaks(tmp_path)  # type: ignore[operator]

    with pytest.raises(ReleaseError, match=said):
        resumed(tmp_path)


def test_a_release_that_is_made_again_is_the_same_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path, 2)
    before = read_chain(tmp_path)
    _move(tmp_path, 2)
    monkeypatch.setattr("server.releases.time.time", lambda: 2_000_000_000.0)

    resumed(tmp_path)

    assert read_chain(tmp_path) == before


def test_another_key_or_none_does_not_go_on_with_a_chain(tmp_path: Path) -> None:
    begun(tmp_path, 2)

    with pytest.raises(ReleaseError, match="server: release 2 has another"):
        resumed(tmp_path, key=ServerKey.generate())
    with pytest.raises(ReleaseError, match=r"output\.signing-key"):
        resumed(tmp_path, key=None)


def test_a_run_that_gets_a_key_later_signs_from_there_on(tmp_path: Path) -> None:
    begun(tmp_path, 2, key=None)

    resumed(tmp_path).commit(vector(3), record(3))

    assert [one.round_number for one in read_chain(tmp_path)] == [2, 3]


def test_releases_without_a_checkpoint_are_not_begun_over(tmp_path: Path) -> None:
    begun(tmp_path, 1)
    (tmp_path / "checkpoint.safetensors").unlink()

    with pytest.raises(ReleaseError, match="checkpoint is gone"):
        run_directory(tmp_path).open(resume=True)
