"""Lists and lines of JSON are read alike; whatever is wrong is named by entry and line, and never quoted."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.preference_files import PreferenceFileError
from shared.preference_lines import JsonLine
from simulations.evaluation.json_records import read_records

PRIVATE = "my sister's illness"

Values = dict[str, object]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.lists(st.dictionaries(st.text("abcdef", min_size=1), _JSON, max_size=4), min_size=1, max_size=5)


def values(line: JsonLine) -> Values:
    return dict(line.values)


def place(line: JsonLine) -> tuple[str, int]:
    return line.file, line.line


def read(tmp_path: Path, content: str | bytes) -> tuple[Values, ...]:
    path = tmp_path / "records.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_records(path, values)


def refused(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(PreferenceFileError) as caught:
        read(tmp_path, content)
    assert PRIVATE not in str(caught.value)
    for error in caught.value.errors:
        assert error.__cause__ is None
        assert error.__context__ is None
        assert error.__traceback__ is None
    return str(caught.value)


@settings(deadline=None)
@given(objects=_OBJECTS, indent=st.sampled_from([None, 0, 2]), mark=st.booleans())
def test_a_list_reads_as_its_objects_and_as_json_lines(
    tmp_path_factory: pytest.TempPathFactory, objects: list[Values], indent: int | None, mark: bool
) -> None:
    path = tmp_path_factory.mktemp("records")
    start = b"\xef\xbb\xbf" if mark else b""
    listed = start + json.dumps(objects, indent=indent, ensure_ascii=False).encode()
    lines = start + "\n\n".join(json.dumps(entry) for entry in objects).encode()
    assert read(path, listed) == read(path, lines) == read(path, gzip.compress(lines)) == tuple(objects)


def test_each_entry_knows_its_line_and_in_a_list_its_number(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    path.write_text('\n[\n  {"a": [1,\n 2]}, {"b": 3},\n\n  {"c": 4}\n]\n')
    name = str(path)
    assert read_records(path, place) == ((f"{name}, entry 1", 3), (f"{name}, entry 2", 4), (f"{name}, entry 3", 6))
    path.write_text('{"a": 1}\n\n{"b": 2}\n')
    assert read_records(path, place) == ((name, 1), (name, 3))


def test_every_refusal_of_a_list_is_collected(tmp_path: Path) -> None:
    entries: list[object] = [{"fine": 1}, [PRIVATE], PRIVATE, 7, None]
    said = refused(tmp_path, json.dumps(entries, indent=1))
    assert said.startswith("4 malformed lines")
    assert "entry 2, line 5, line: must be a JSON object" in said
    assert "entry 5" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1, line: the file holds no entries"),
        ("  \n ", "the file holds no entries"),
        ("[]", "the file holds no entries"),
        ("[ ]\n x", "line 2, line: something stands after the end of the list"),
        (f'[{{"a": "{PRIVATE}"}}', "line 1, line: from here on the list is not complete JSON"),
        (f'[\n{{"a": "{PRIVATE}"}},\n]', "line 3, line: from here on the list is not complete JSON"),
        (f'[{{"a": "{PRIVATE}', "line 1, line: from here on the list is not complete JSON"),
        (f'[{{"a": 1}}\n{{"b": "{PRIVATE}"}}]', "line 2, line: from here on the list is not complete JSON"),
        (f'[{{"a": 1}}]\n{{"b": "{PRIVATE}"}}', "line 2, line: something stands after the end of the list"),
        ("[" * 100_000, "from here on the list is not complete JSON"),
        (f'[{{"{PRIVATE}": 1, "{PRIVATE}": 2}}]', "(a key that is not a plain name): this key stands twice"),
        ('[{"a": NaN}]', "entry 1, line 1, line: NaN and infinity are not JSON"),
        (b'[{"a": "\xff"}]', "line 1, line: not UTF-8"),
        (f'{{"a": "{PRIVATE}"', "line 1, line: not complete JSON"),
    ],
)
def test_what_is_not_a_file_of_objects_is_refused_without_quoting_it(
    tmp_path: Path, content: str | bytes, said: str
) -> None:
    assert said in refused(tmp_path, content)


def test_entries_before_a_broken_one_are_checked_too(tmp_path: Path) -> None:
    said = refused(tmp_path, f'[7, {{"a": 1}}, {{"a": "{PRIVATE}')
    assert said.startswith("2 malformed lines")
    assert "entry 1" in said


def test_a_missing_file_is_the_systems_own_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_records(tmp_path / "nothing.json", values)
