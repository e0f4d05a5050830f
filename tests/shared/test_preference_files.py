"""Preference files: everything is read or reported, in one error, however the file is damaged."""

from __future__ import annotations

import gzip
import json
import pickle
import stat
from pathlib import Path

import pytest

from shared.preference_files import (
    MAX_ERRORS_LISTED,
    PreferenceFileError,
    read_preference_lines,
    write_preference_lines,
)
from shared.preference_lines import PreferenceLine

PRIVATE = "zebra-quartz-7781"


def line(number: int) -> bytes:
    record = {
        "user_id": f"u{number}",
        "prompt": [{"role": "user", "content": PRIVATE}],
        "chosen": [{"role": "assistant", "content": f"é {number}\u2028 next"}],
        "rejected": [{"role": "assistant", "content": "no"}],
    }
    return json.dumps(record, ensure_ascii=False).encode()


def users(lines: tuple[PreferenceLine, ...]) -> list[str | None]:
    return [read.user_id for read in lines]


def failed(path: Path, max_line_bytes: int = 4096) -> PreferenceFileError:
    with pytest.raises(PreferenceFileError) as caught:
        read_preference_lines(path, max_line_bytes=max_line_bytes)
    assert PRIVATE not in str(caught.value)
    assert all(error.__traceback__ is None and error.__context__ is None for error in caught.value.errors)
    return caught.value


@pytest.mark.parametrize("packed", [False, True])
def test_plain_and_gzip_files_are_read_whatever_their_line_ends(tmp_path: Path, packed: bool) -> None:
    content = b"\xef\xbb\xbf" + line(1) + b"\r\n\n   \n" + line(2) + b"\n" + line(3)
    path = tmp_path / "pairs"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert users(read_preference_lines(path)) == ["u1", "u2", "u3"]


def test_all_errors_are_collected_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    bad = line(2).replace(b'"prompt"', b'"prompts"')
    path.write_bytes(b"\n".join([line(1), bad, b"", b"\xff\xfe", line(3) * 40, line(4), line(5)[:-9]]))
    error = failed(path)
    assert [(e.line, e.field) for e in error.errors] == [(2, "prompts"), (4, "line"), (5, "line"), (7, "line")]
    assert [e.reason.split(" (")[0] for e in error.errors[1:3]] == ["not UTF-8", "longer than 4,096 bytes"]
    assert "cut short" in error.errors[3].reason
    assert error.total == 4
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(copied) == str(error)


def test_a_line_at_the_limit_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(line(1) + b"\n" + line(2) + b"\n")
    assert len(read_preference_lines(path, max_line_bytes=len(line(1)))) == 2
    error = failed(path, len(line(1)) - 1)
    assert [e.line for e in error.errors] == [1, 2]


def test_the_listed_errors_are_bounded_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"{}\n" * 500)
    error = failed(path)
    assert (len(error.errors), error.total) == (MAX_ERRORS_LISTED, 500)
    assert f"and {500 - MAX_ERRORS_LISTED} more" in str(error)


def test_a_damaged_gzip_is_an_error_even_where_every_line_before_was_good(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl.gz"
    packed = gzip.compress(b"".join(line(n) + b"\n" for n in range(200)))
    for damaged in (packed[: len(packed) // 2], packed[:-4], packed[:40] + b"\0\0\0\0" + packed[44:]):
        path.write_bytes(damaged)
        assert "damaged or cut short" in failed(path).errors[-1].reason


def test_an_empty_file_holds_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(b"")
    assert read_preference_lines(path) == ()


def test_a_written_file_is_read_back_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    source, copy = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    source.write_bytes(line(1) + b"\n" + line(2) + b"\n")
    read = read_preference_lines(source)
    write_preference_lines(copy, read)
    assert read_preference_lines(copy) == read
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(1) + b"\n")
    (good,) = read_preference_lines(path)
    with pytest.raises(ValueError, match="own keys"):
        write_preference_lines(path, [good, PreferenceLine(pair=good.pair, extra={"prompt": "x"})])
    assert read_preference_lines(path) == (good,)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.jsonl"]
