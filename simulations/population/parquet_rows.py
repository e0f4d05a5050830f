"""Rows of a Parquet file as the same values that lines of JSON give, with the same errors. Needs `pyarrow`."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from shared.preference_files import MAX_ERRORS_LISTED, PreferenceFileError
from shared.preference_lines import JsonLine, PreferenceLineError

_ROWS_AT_A_TIME = 256

Parsed = TypeVar("Parsed")


class ParquetUnavailableError(RuntimeError):
    """`pyarrow` is not installed. The message says what to do instead."""


class _Batch(Protocol):
    def to_pylist(self) -> list[dict[str, object]]: ...


class _Schema(Protocol):
    @property
    def names(self) -> list[str]: ...


class _ParquetFile(Protocol):
    """The part of `pyarrow.parquet.ParquetFile` that is used: pyarrow comes without types."""

    @property
    def schema_arrow(self) -> _Schema: ...

    def iter_batches(self, *, batch_size: int, columns: Sequence[str]) -> Iterator[_Batch]: ...


def read_parquet_rows(
    path: Path, parse: Callable[[JsonLine], Parsed], *, columns: Collection[str], read: Sequence[str]
) -> tuple[Parsed, ...]:
    """Parse every row; errors are collected as `shared.preference_files.read_lines` collects them.

    Args:
        path: the file.
        parse: takes a row, whose `line` is its number (from 1), returns its value or raises `PreferenceLineError`.
            A row's times are aware datetimes.
        columns: what the file must hold, and nothing else.
        read: those of them that a row's values hold; the rest is not even decoded.

    Raises:
        ParquetUnavailableError: `pyarrow` is not installed.
        PreferenceFileError: at least one row is malformed; the file has other columns, is damaged or is not Parquet.
        OSError: the file cannot be opened or read.
    """
    values: list[Parsed] = []
    errors: list[PreferenceLineError] = []
    total = 0
    for number, row in enumerate(_rows(path, columns, read), start=1):
        try:
            values.append(parse(JsonLine(file=str(path), line=number, values=row)))
        except PreferenceLineError as raised:
            total += 1
            if len(errors) < MAX_ERRORS_LISTED:
                errors.append(raised.with_traceback(None))  # its frames hold the row's text
    if errors:
        raise PreferenceFileError(tuple(errors), total)
    return tuple(values)


def _rows(path: Path, columns: Collection[str], read: Sequence[str]) -> Iterator[Mapping[str, object]]:
    if importlib.util.find_spec("pyarrow") is None:
        raise ParquetUnavailableError(
            f"{path}: reading Parquet needs pyarrow (pip install pyarrow); or give the same rows as JSON lines"
        )
    open_file: Callable[[Path], _ParquetFile] = importlib.import_module("pyarrow.parquet").ParquetFile
    # Their messages may quote the file. A page that cannot be read is an OSError in pyarrow.
    arrow_errors: tuple[type[Exception], ...] = (
        importlib.import_module("pyarrow").ArrowException,
        UnicodeDecodeError,
        OSError,
    )
    path.open("rb").close()  # a missing file is an OSError that names it, whatever pyarrow makes of it
    number = 0
    damaged = False
    try:
        file = open_file(path)
        _check_columns(path, file.schema_arrow.names, columns)
        for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, columns=read):
            for row in batch.to_pylist():
                number += 1
                yield row
    except arrow_errors:
        damaged = True
    if damaged:
        raise _whole_file(path, number + 1, "not a Parquet file, or damaged from here")


def _check_columns(path: Path, found: Sequence[str], expected: Collection[str]) -> None:
    for name in found:
        if name not in expected:
            # The name itself is data of a file that is not what it should be.
            raise _whole_file(path, 1, f"has a column that is none of {', '.join(sorted(expected))}")
    for name in sorted(expected):
        if name not in found:
            raise _whole_file(path, 1, f"has no column {name}")


def _whole_file(path: Path, line: int, reason: str) -> PreferenceFileError:
    return PreferenceFileError((PreferenceLineError(file=str(path), line=line, field="file", reason=reason),), 1)
