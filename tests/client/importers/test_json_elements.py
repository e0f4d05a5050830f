"""The frame of large JSON: the same values as `json.loads` gives, whatever the chunks; damage costs what is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.importers import json_elements
from client.importers.json_elements import DamagedJsonError, Element, decode, elements
from tests.client.importers.exports import MARKER

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[place : place + size] for place in range(0, len(data), size))


def read(data: bytes, *, size: int = 7, limit: int = 10**6) -> tuple[list[Element], DamagedJsonError | None]:
    found: list[Element] = []
    try:
        found.extend(elements(pieces(data, size), limit=limit))
    except DamagedJsonError as error:
        return found, error
    return found, None


@given(st.lists(_VALUES, max_size=5), st.integers(1, 30), st.sampled_from([None, 1]), st.booleans(), st.booleans())
def test_an_arrays_elements_are_those_of_json(
    values: list[object], size: int, indent: int | None, ascii_only: bool, marked: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    data = (b"\xef\xbb\xbf" if marked else b"") + b" \n" + text.encode("utf-8") + b"\n "

    found = list(elements(pieces(data, size), limit=10**6))

    assert [json.loads(one.data or b"") for one in found] == values
    assert [one.number for one in found] == list(range(1, len(values) + 1))
    assert all(one.data is not None and data[one.offset :].startswith(one.data) for one in found)


@given(st.lists(st.dictionaries(st.text(), _VALUES, max_size=3), min_size=1, max_size=5), st.integers(1, 30))
def test_lines_are_those_of_json(rows: list[object], size: int) -> None:
    data = b"".join(json.dumps(row).encode() + b"\r\n\n" for row in rows)

    found = list(elements(pieces(data, size), limit=10**6))

    assert [json.loads(one.data or b"") for one in found] == rows
    assert not any(one.unfinished for one in found)


@given(st.binary(max_size=60), st.integers(1, 9), st.sampled_from([b"", b"[", b'[{"a":', b"{", b'["']))
def test_any_bytes_give_elements_or_one_error(data: bytes, size: int, beginning: bytes) -> None:
    found, error = read(beginning + data, size=size)

    whole, same_error = read(beginning + data, size=1000)
    assert (found, str(error)) == (whole, str(same_error))
    for one in found:
        assert one.data is not None
        decode(one.data)


@given(st.integers(1, 9), st.integers(1, 30))
def test_a_large_element_is_passed_over_and_never_held(size: int, limit: int) -> None:
    data = json.dumps([{"a": 1}, {"b": "[" * 40}, "x" * 40, {"c": 2}]).encode()

    found, error = read(data, size=size, limit=limit)

    assert error is None
    assert [one.number for one in found] == [1, 2, 3, 4]
    assert [one.data is None for one in found] == [limit < 8, True, True, limit < 8]


def test_a_large_line_is_passed_over() -> None:
    found, error = read(b'{"a":1}\n{"b":"' + b"x" * 50 + b'"}\n{"c":2}\n{"d":"' + b"x" * 50, limit=20)

    assert error is None
    assert [one.data for one in found] == [b'{"a":1}', None, b'{"c":2}', None]


@pytest.mark.parametrize(
    ("data", "whole", "offset"),
    [
        (b"", 0, 0),
        (b"  \n", 0, 3),
        (b"hello", 0, 0),
        (b'"x"', 0, 0),
        (b"[", 0, 1),
        (b'[{"a":1}', 1, 8),
        (b'[{"a":1},', 1, 9),
        (b'[{"a":1},{"b":"c', 1, 16),
        (b'[{"a":1}]x', 1, 9),
        (b'[{"a":1}][{"a":1}]', 1, 9),
        (b'[{"a":1}{"a":1}]', 1, 8),
        (b'[{"a":1}}]', 1, 8),
    ],
)
def test_damage_is_placed_and_what_came_before_is_given(data: bytes, whole: int, offset: int) -> None:
    for size in (1, 3, 100):
        found, error = read(data, size=size)
        assert error is not None
        assert (len(found), error.offset) == (whole, offset)


def test_an_element_that_is_no_json_costs_itself_alone() -> None:
    found, error = read(b'[{"a":1}, {"b" 2}, {"c":][}, [{], nonsense, 7, "x", null, {"d":4}]')

    assert error is None
    assert [decode(one.data or b"") for one in found] == [
        {"a": 1}, *["not JSON"] * 4, *["not an object"] * 3, {"d": 4},
    ]  # fmt: skip


def test_what_cannot_be_decoded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode(b'{"a": "\xff"}') == "not UTF-8"
    assert decode(b"[" * 100_000 + b"]" * 100_000) == "not JSON"
    assert decode(b'{"a": ' + b"9" * 5000 + b"}") == "not JSON"
    monkeypatch.setattr(json_elements, "MAX_PARTS", 10)
    assert decode(b"[" + b"[]," * 20 + b"[]]") == "larger than the limit for one conversation"


def test_nothing_shows_its_content() -> None:
    (element,), error = read(f'[{{"{MARKER}": 1}}'.encode())

    assert MARKER not in repr(element) + repr(error) + str(error)
