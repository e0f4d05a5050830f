"""JSON that does not fit in memory, one top-level value at a time: the elements of an array, or lines.

Only the frame is read here: where a value begins and ends. So a value that is no valid JSON costs that value and not
the rest of the file, and one that is larger than the limit is passed over without being held. What is damaged beyond
that (the file ends in the middle, an array goes on after its end) is one `DamagedJsonError`, after all before it.

A parsed value takes more memory than its text, at worst by far: `[[],[],[]...`. Therefore `decode` refuses what has
more than `MAX_PARTS` commas and brackets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from client.importers.imported import Record, SkippedConversation

MAX_PARTS = 3_000_000

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SPACE = b" \t\r\n"
# Possessive: no input makes them go back. They stop at what they are named after, or at the end of the chunk.
_STRING = rb'"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+"'
_TO_BRACE = re.compile(rb'(?:[^"{}]++|' + _STRING + rb")*+")
_TO_BRACKET = re.compile(rb'(?:[^"\[\]]++|' + _STRING + rb")*+")
_TO_STRING_END = re.compile(rb'[^"\\]*+(?:\\[\s\S][^"\\]*+)*+')
_TO_VALUE_END = re.compile(rb"[^,\[\]{}\"\s]*+")
_TO_NO_SPACE = re.compile(rb"[ \t\r\n]*+")
_QUOTE, _OPEN = ord('"'), b"[{"


class Element(NamedTuple):
    """One value.

    Attributes:
        number: from 1.
        offset: of its first byte, or of its line's.
        data: its bytes; None where there were more than the limit.
        unfinished: whether the file ended with it before its line did.
    """

    number: int
    offset: int
    data: bytes | None
    unfinished: bool = False

    def __repr__(self) -> str:
        return f"Element(number={self.number}, offset={self.offset})"


class DamagedJsonError(ValueError):
    """The file is no JSON from some place on. Never holds what is there."""

    def __init__(self, reason: str, *, offset: int, element: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.element = element


def elements(pieces: Iterable[bytes], *, limit: int) -> Iterator[Element]:
    """The elements of a JSON array or, where the file does not begin with one, its lines.

    Args:
        pieces: the file's bytes.
        limit: the most bytes of an element that are held.

    Raises:
        DamagedJsonError: the file is empty, is no JSON or is damaged from some place on.
    """
    source = iter(pieces)
    beginning = b""
    skipped = 0
    for piece in source:
        beginning += piece
        if len(beginning) < len(_BYTE_ORDER_MARK):
            continue
        if not skipped and beginning.startswith(_BYTE_ORDER_MARK):
            skipped, beginning = len(_BYTE_ORDER_MARK), beginning[len(_BYTE_ORDER_MARK) :]
        left = beginning.lstrip(_SPACE)
        skipped, beginning = skipped + len(beginning) - len(left), left
        if beginning:
            break
    else:
        left = beginning.removeprefix(_BYTE_ORDER_MARK).lstrip(_SPACE)
        skipped, beginning = skipped + len(beginning) - len(left), left
    if not beginning:
        raise DamagedJsonError("holds nothing", offset=skipped, element=1)
    if beginning[0] == ord("["):
        array = _Array(limit=limit, offset=skipped + 1)
        yield from array.feed(beginning[1:])
        for piece in source:
            yield from array.feed(piece)
        array.finish()
    elif beginning[0] == ord("{"):
        yield from _lines(beginning, source, limit=limit, offset=skipped)
    else:
        raise DamagedJsonError("is no JSON: it begins with neither [ nor {", offset=skipped, element=1)


def decode(data: bytes) -> Record | SkippedConversation:
    """A value as an object, or why it is none."""
    if len(data) > MAX_PARTS and sum(map(data.count, (b",", b"[", b"{"))) > MAX_PARTS:
        return "larger than the limit for one conversation"
    try:
        value: object = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        return "not UTF-8"
    except (ValueError, RecursionError):  # the second: thousands of brackets within brackets
        return "not JSON"
    return value if isinstance(value, dict) else "not an object"


def _lines(beginning: bytes, source: Iterator[bytes], *, limit: int, offset: int) -> Iterator[Element]:
    """Lines that are not blank."""
    held: list[bytes] = []
    size = number = 0
    start = offset
    pending: bytes | None = beginning
    while pending is not None:
        place = 0
        while (end := pending.find(b"\n", place)) >= 0:
            part = pending[place:end]
            if size + len(part) > limit:
                held.clear()
                number += 1
                yield Element(number, start, None)
            elif line := (b"".join(held) + part).strip(_SPACE):
                number += 1
                yield Element(number, start, line)
            held.clear()
            start += size + len(part) + 1
            size = 0
            place = end + 1
        rest = pending[place:]
        size += len(rest)
        if size <= limit:
            held.append(rest)
        else:
            held.clear()
        pending = next(source, None)
    line = b"".join(held).strip(_SPACE)
    if size > limit:
        yield Element(number + 1, start, None)
    elif line:
        yield Element(number + 1, start, line, unfinished=True)


class _Array:
    """What has been seen of an array whose bytes come in chunks."""

    def __init__(self, *, limit: int, offset: int) -> None:
        self._limit = limit
        self._offset = offset  # of the next byte
        self._held: list[bytes] = []
        self._size = 0
        self._start = offset
        self._number = 0
        self._depth = 0  # of brackets of the kind that the element began with: others do not move its end
        self._inside = _TO_BRACE
        self._in_value = self._in_string = self._escaped = False
        self._wants_comma = self._ended = False

    def feed(self, chunk: bytes) -> Iterator[Element]:
        """The elements that end in this chunk. Raises: DamagedJsonError."""
        place = 0
        while place < len(chunk):
            if self._in_value:
                begin = place
                place, is_end = self._value_end(chunk, place)
                self._hold(chunk[begin:place])
                if is_end:
                    yield self._take()
                continue
            match = _TO_NO_SPACE.match(chunk, place)
            place = match.end() if match is not None else place
            if place < len(chunk):
                place = self._between(chunk, place)
        self._offset += len(chunk)

    def finish(self) -> None:
        """Raises DamagedJsonError: the array has not ended."""
        if not self._ended:
            whole = self._number if not self._in_value else self._number - 1
            raise DamagedJsonError(
                f"is cut short after {whole:,} whole conversation{'' if whole == 1 else 's'}",
                offset=self._offset,
                element=max(1, self._number if self._in_value else self._number + 1),
            )

    def _between(self, chunk: bytes, place: int) -> int:
        """At what stands between elements; the place after it, or of the element that begins here."""
        byte = chunk[place]
        if self._ended:
            raise self._damaged("goes on after the end of its array", place)
        if byte == ord("]"):
            self._ended = True
            return place + 1
        if byte == ord(","):
            self._wants_comma = False
            return place + 1
        if self._wants_comma or byte == ord("}"):
            raise self._damaged("is no JSON from here: a comma is missing, or a bracket is one too many", place)
        self._in_value = True
        self._start = self._offset + place
        self._number += 1
        return place

    def _value_end(self, chunk: bytes, place: int) -> tuple[int, bool]:
        """Goes on within an element: the place where it stops, and whether the element ends there."""
        while place < len(chunk):
            if self._escaped:
                self._escaped = False
                place += 1
            elif self._in_string:
                place = _end(_TO_STRING_END, chunk, place)
                if place < len(chunk):
                    self._in_string = chunk[place] != _QUOTE
                    self._escaped = self._in_string  # a backslash, and its letter in the next chunk
                    place += 1
                    if not self._in_string and not self._depth:
                        return place, True
            elif self._depth:
                place = _end(self._inside, chunk, place)
                if place < len(chunk):
                    byte = chunk[place]
                    place += 1
                    if byte == _QUOTE:  # of a string that ends in a later chunk
                        self._in_string = True
                    else:
                        self._depth += 1 if byte in _OPEN else -1
                        if not self._depth:
                            return place, True
            else:
                byte = chunk[place]
                if byte == _QUOTE or byte in _OPEN:
                    if self._offset + place > self._start:
                        return place, True  # the element was a bare word; this is glued to it
                    self._in_string, self._depth = byte == _QUOTE, int(byte != _QUOTE)
                    self._inside = _TO_BRACE if byte == ord("{") else _TO_BRACKET
                    place += 1
                elif (end := _end(_TO_VALUE_END, chunk, place)) < len(chunk):
                    return end, True
                else:
                    place = end
        return place, False

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit:
            self._held.append(part)
        else:
            self._held.clear()

    def _take(self) -> Element:
        data = b"".join(self._held) if self._size <= self._limit else None
        self._held.clear()
        self._size = 0
        self._in_value = False
        self._wants_comma = True
        return Element(self._number, self._start, data)

    def _damaged(self, reason: str, place: int) -> DamagedJsonError:
        return DamagedJsonError(reason, offset=self._offset + place, element=self._number + 1)


def _end(pattern: re.Pattern[bytes], chunk: bytes, place: int) -> int:
    match = pattern.match(chunk, place)
    return place if match is None else match.end()
