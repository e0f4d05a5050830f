"""Files of JSON objects, either one a line or one list of them; each remembers the line on which it begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from shared.preference_files import MAX_ERRORS_LISTED, PreferenceFileError, read_lines
from shared.preference_lines import JsonLine, PreferenceLineError, parse_json_line

Parsed = TypeVar("Parsed")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITE_SPACE = " \t\r\n"  # JSON's own, which is less than Python's


def read_records(path: Path, parse: Callable[[JsonLine], Parsed]) -> tuple[Parsed, ...]:
    """Parse every object of a file, in order. A file that begins with `[` is one list, any other is JSON lines.

    Args:
        path: the file, UTF-8; JSON lines may be packed with gzip.
        parse: takes an object, returns its value or raises `PreferenceLineError`.

    Raises:
        PreferenceFileError: the file holds nothing, or something that is not an object or that `parse` refuses. Every
            refusal is collected; in a list, up to where it stops being JSON.
        OSError: the file cannot be opened or read.
    """
    file = str(path)
    with path.open("rb") as opened:
        is_list = opened.read(4096).removeprefix(_BYTE_ORDER_MARK).lstrip().startswith(b"[")
    if is_list:
        values = _read_list(path.read_bytes().removeprefix(_BYTE_ORDER_MARK), file, parse)
    else:
        values = read_lines(path, lambda text, number: parse(parse_json_line(text, file=file, line=number)))
    if not values:
        raise PreferenceFileError((_error(file, 1, "the file holds no entries"),), 1)
    return values


def _read_list(content: bytes, file: str, parse: Callable[[JsonLine], Parsed]) -> tuple[Parsed, ...]:
    text = _decoded(content)
    if text is None:
        raise PreferenceFileError((_error(file, 1, "not UTF-8"),), 1)
    values: list[Parsed] = []
    errors: list[PreferenceLineError] = []
    total = 0
    entries = enumerate(_entries(text, file), 1)
    while True:
        try:
            place, (line, entry) = next(entries)
            # A list may stand on one line, which would then say nothing of where to look.
            values.append(parse(parse_json_line(entry, file=f"{file}, entry {place}", line=line)))
        except StopIteration:
            break
        except PreferenceLineError as raised:
            total += 1
            if len(errors) < MAX_ERRORS_LISTED:
                errors.append(raised.with_traceback(None))  # its frames hold the entry's text
    if errors:
        raise PreferenceFileError(tuple(errors), total)
    return tuple(values)


def _entries(text: str, file: str) -> Iterator[tuple[int, str]]:
    """(line on which it begins, text) of each entry of a JSON list.

    Raises:
        PreferenceLineError: where the list stops being JSON, after the entries before it.
    """
    place = _skip(text, text.index("[") + 1)
    line, counted = 1, 0
    if text.startswith("]", place):
        place = _skip(text, place + 1)
    else:
        while True:
            line, counted = line + text.count("\n", counted, place), place
            end = _end_of_value(text, place)
            if end is None:
                raise _error(file, line, "from here on the list is not complete JSON")
            yield line, text[place:end]
            place = _skip(text, end)
            if not text.startswith(",", place):
                break
            place = _skip(text, place + 1)
        if not text.startswith("]", place):
            line += text.count("\n", counted, place)
            raise _error(file, line, "from here on the list is not complete JSON")
        place = _skip(text, place + 1)
    if place < len(text):
        line += text.count("\n", counted, place)
        raise _error(file, line, "something stands after the end of the list")


def _end_of_value(text: str, place: int) -> int | None:
    try:
        return json.JSONDecoder().raw_decode(text, place)[1]
    except (ValueError, RecursionError):  # it holds the text, so it goes no further
        return None


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _WHITE_SPACE:
        place += 1
    return place


def _error(file: str, line: int, reason: str) -> PreferenceLineError:
    return PreferenceLineError(file=file, line=line, field="line", reason=reason)


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:  # it holds the bytes, so it goes no further
        return None
