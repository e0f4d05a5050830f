from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.privacy import chained_log
from shared.privacy.chained_log import Chain, ChainError

_ENTRIES: list[dict[str, object]] = [{"kind": "a", "n": 1}, {"kind": "b", "x": 0.1}, {"kind": "c", "list": [1, [2]]}]


def _log(path: Path) -> Path:
    file = path / "log.jsonl"
    for place, entry in enumerate(_ENTRIES, start=1):
        chain = chained_log.append(file, entry)
        assert chain == chained_log.read(file)
        assert len(chain.entries) == place
    return file


def test_entries_come_back_in_order_and_the_file_is_its_owners(tmp_path: Path) -> None:
    file = _log(tmp_path)

    assert list(chained_log.read(file).entries) == _ENTRIES
    assert len(chained_log.read(file).digests) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert chained_log.read(tmp_path / "none") == Chain()


def _without(lines: list[bytes], at: int) -> list[bytes]:
    return lines[:at] + lines[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: _without(lines, 0),
        lambda lines: _without(lines, 1),
        lambda lines: [lines[0], lines[2], lines[1]],
        lambda lines: [lines[0], lines[0], *lines[1:]],
        lambda lines: [lines[0], lines[1].replace(b"0.1", b"0.2"), lines[2]],
        lambda lines: [lines[0], b"\n", *lines[1:]],
        lambda lines: [lines[0], b"[]\n", *lines[1:]],
        lambda lines: [lines[0], b"[" * 100_000 + b"\n", *lines[1:]],
    ],
)
def test_whatever_is_changed_is_found_and_nothing_is_added_to_it(tmp_path: Path, damage: object) -> None:
    file = _log(tmp_path)
    file.write_bytes(b"".join(damage(file.read_bytes().splitlines(keepends=True))))  # type: ignore[operator]
    before = file.read_bytes()

    with pytest.raises(ChainError, match="line"):
        chained_log.read(file)
    with pytest.raises(ChainError, match="line"):
        chained_log.append(file, {"kind": "d"})
    assert file.read_bytes() == before


def test_a_last_entry_that_was_taken_away_shows_in_the_head_alone(tmp_path: Path) -> None:
    file = _log(tmp_path)
    whole = chained_log.read(file)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))

    cut = chained_log.read(file)
    assert whole.goes_on_from(2, cut.head)
    assert not cut.goes_on_from(3, whole.head)  # which is why a device remembers it elsewhere too
    assert not cut.goes_on_from(2, whole.head)
    assert cut.goes_on_from(0, "")


@given(cut=st.integers(min_value=1, max_value=200))
def test_a_line_cut_anywhere_is_dropped_and_the_log_goes_on(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    file = _log(tmp_path_factory.mktemp("log"))
    content = file.read_bytes()
    last = content.splitlines(keepends=True)[-1]
    file.write_bytes(content[: len(content) - min(cut, len(last))])

    chained_log.append(file, {"kind": "after"})

    assert [entry["kind"] for entry in chained_log.read(file).entries] == ["a", "b", "after"]


def test_a_full_disk_adds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _log(tmp_path)
    before = file.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        chained_log.append(file, {"kind": "d"})
    assert file.read_bytes() == before


def test_numbers_that_json_has_no_word_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        chained_log.append(tmp_path / "log", {"x": float("nan")})
    assert chained_log.read(tmp_path / "log") == Chain()
