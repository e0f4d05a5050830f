"""Files of preference lines: every line is read, every error is collected, and one error names them all."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from shared.conversation import Origin
from shared.preference_lines import (
    PreferenceLine,
    PreferenceLineError,
    format_preference_line,
    parse_preference_line,
)
from shared.private_files import write_private

MAX_LINE_BYTES = 4 * 2**20
MAX_ERRORS_LISTED = 20

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Parsed = TypeVar("Parsed")


class PreferenceFileError(ValueError):
    """A file cannot be used. The message lists the first errors, each with file, line and field, and their number.

    Attributes:
        errors: the first `MAX_ERRORS_LISTED` of them.
        total: how many there are.
    """

    def __init__(self, errors: tuple[PreferenceLineError, ...], total: int) -> None:
        listed = "\n".join(f"  {error}" for error in errors)
        more = f"\n  and {total - len(errors)} more" if total > len(errors) else ""
        super().__init__(f"{total} malformed {'line' if total == 1 else 'lines'}:\n{listed}{more}")
        self.errors = errors
        self.total = total

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.errors, self.total)


def read_lines(
    path: Path, parse: Callable[[str, int], Parsed], *, max_line_bytes: int = MAX_LINE_BYTES
) -> tuple[Parsed, ...]:
    """Parse every line of a text file, plain or gzip (told by its first bytes), as UTF-8.

    Lines of white space only hold nothing and are passed over; every other line is parsed or is an error.

    Args:
        path: the file.
        parse: takes a line's text and its number (from 1), returns its value or raises `PreferenceLineError`.
        max_line_bytes: a longer line is an error, and is not held in memory.

    Raises:
        PreferenceFileError: at least one line is malformed, the gzip stream is damaged or cut short.
        OSError: the file cannot be opened or read.
    """
    values: list[Parsed] = []
    errors: list[PreferenceLineError] = []
    total = 0
    for number, line in _raw_lines(path, max_line_bytes):
        error: PreferenceLineError | None = None
        if isinstance(line, str):
            error = PreferenceLineError(file=str(path), line=number, field="line", reason=line)
        else:
            text = _decode(line)
            if text is None:
                error = PreferenceLineError(file=str(path), line=number, field="line", reason="not UTF-8")
            elif text.strip():
                try:
                    values.append(parse(text, number))
                except PreferenceLineError as raised:
                    error = raised.with_traceback(None)  # its frames hold the line's text
        if error is not None:
            total += 1
            if len(errors) < MAX_ERRORS_LISTED:
                errors.append(error)
    if errors:
        raise PreferenceFileError(tuple(errors), total)
    return tuple(values)


def read_preference_lines(
    path: Path,
    *,
    extra_keys: Collection[str] = (),
    user_id_required: bool = True,
    default_origin: Origin = "vote",
    max_line_bytes: int = MAX_LINE_BYTES,
) -> tuple[PreferenceLine, ...]:
    """Every pair of a preference JSONL file, in order.

    Arguments as `parse_preference_line` has them; errors as `read_lines` raises them.
    """

    def parse(text: str, number: int) -> PreferenceLine:
        return parse_preference_line(
            text,
            file=str(path),
            line=number,
            extra_keys=extra_keys,
            user_id_required=user_id_required,
            default_origin=default_origin,
        )

    return read_lines(path, parse, max_line_bytes=max_line_bytes)


def write_preference_lines(path: Path, lines: Iterable[PreferenceLine]) -> None:
    """Write a preference JSONL file that only its owner may read, whole or not at all.

    Raises:
        OSError: the file cannot be written; the one that was there before is untouched.
        ValueError: a line cannot be written (`format_preference_line`).
    """
    write_private(path, (format_preference_line(line).encode("utf-8") + b"\n" for line in lines))


def _raw_lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, bytes | str]]:
    """(line number, the line's bytes) or, where there is no line to give, (line number, what is wrong)."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not is_gzip:
            yield from _split(file, max_line_bytes)
            return
        number = 0
        damaged = False
        with gzip.GzipFile(fileobj=file) as unpacked:
            lines = _split(unpacked, max_line_bytes)
            while True:
                try:
                    number, line = next(lines)
                except StopIteration:
                    break
                except (EOFError, zlib.error, gzip.BadGzipFile):
                    damaged = True
                    break
                yield number, line
        if damaged:
            yield number + 1, "the gzip stream is damaged or cut short from here"


def _split(file: BinaryIO | gzip.GzipFile, max_line_bytes: int) -> Iterator[tuple[int, bytes | str]]:
    number = 0
    while True:
        line = file.readline(max_line_bytes + 1)
        if not line:
            return
        number += 1
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if len(line.rstrip(b"\r\n")) > max_line_bytes:
            while line and not line.endswith(b"\n"):
                line = file.readline(max_line_bytes)
            yield number, f"longer than {max_line_bytes:,} bytes"
        else:
            yield number, line


def _decode(line: bytes) -> str | None:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:  # it holds the bytes, so it goes no further
        return None
