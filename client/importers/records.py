"""A source's records, one at a time: of JSON (an array, or lines) and of Parquet, which needs `pyarrow`.

Parquet is decoded by `pyarrow`, a row group at a time; how much memory that takes is the file's choice, up to
`MAX_ROW_GROUP_BYTES` as it declares them.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from client.importers.imported import Record, SkippedConversation
from client.importers.json_elements import DamagedJsonError, decode, elements
from client.importers.reading import Progress, Source, chunks

MAX_ROW_GROUP_BYTES = 4 * 2**30
_ROWS_AT_A_TIME = 16


@dataclass(frozen=True, kw_only=True)
class ImportLimits:
    """Attributes:
    conversation_bytes: of one conversation's JSON, unpacked. A larger one is skipped, and never held. Reading one of
        this size takes up to seven times as much memory.
    """

    conversation_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        if self.conversation_bytes < 1:
            raise ValueError("conversation_bytes must be at least 1")


def records(
    source: Source,
    *,
    limits: ImportLimits,
    columns: Collection[str] | None = None,
    progress: Progress = lambda _bytes: None,
) -> Iterator[Record | SkippedConversation]:
    """Every record, or why there is none in its place.

    Args:
        columns: what is read of a Parquet file, as far as it is there; None reads no Parquet.
        progress: is told how many bytes of `source.size` have been read.

    Raises:
        ImportFileError: the source is damaged from some place on, or is Parquet and cannot be read.
        OSError: it cannot be opened or read.
    """
    if source.packing == "parquet":
        yield from _rows(source, columns, limits, progress)
        return
    damage: DamagedJsonError | None = None
    try:
        for element in elements(chunks(source, progress), limit=limits.conversation_bytes):
            found = "larger than the limit for one conversation" if element.data is None else decode(element.data)
            if element.unfinished and found in ("not JSON", "not UTF-8"):
                damage = DamagedJsonError("its last line is cut short", offset=element.offset, element=element.number)
                break
            yield found
    except DamagedJsonError as error:
        damage = error
    if damage is not None:
        raise source.error(damage.reason, offset=damage.offset, element=damage.element)


class _Batch(Protocol):
    @property
    def num_rows(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def slice(self, offset: int, length: int) -> _Batch: ...

    def to_pylist(self) -> list[dict[str, object]]: ...


class _RowGroup(Protocol):
    @property
    def total_byte_size(self) -> int: ...


class _Metadata(Protocol):
    @property
    def num_row_groups(self) -> int: ...

    def row_group(self, index: int) -> _RowGroup: ...


class _Schema(Protocol):
    @property
    def names(self) -> list[str]: ...


class _ParquetFile(Protocol):
    """The part of `pyarrow.parquet.ParquetFile` that is used: pyarrow comes without types."""

    @property
    def metadata(self) -> _Metadata: ...

    @property
    def schema_arrow(self) -> _Schema: ...

    def iter_batches(
        self, *, batch_size: int, row_groups: Sequence[int], columns: Sequence[str]
    ) -> Iterator[_Batch]: ...


def _rows(
    source: Source, columns: Collection[str] | None, limits: ImportLimits, progress: Progress
) -> Iterator[Record | SkippedConversation]:
    if columns is None:
        raise source.error("is Parquet, which this format has not")
    if importlib.util.find_spec("pyarrow") is None:
        raise source.error("reading Parquet needs pyarrow: pip install 'tacit[parquet]'; or give JSON lines")
    open_file: Callable[[object], _ParquetFile] = importlib.import_module("pyarrow.parquet").ParquetFile
    # Their messages may quote the file. A page that cannot be read is an OSError in pyarrow.
    arrow_errors: tuple[type[Exception], ...] = (
        importlib.import_module("pyarrow").ArrowException,
        UnicodeDecodeError,
        OSError,
        OverflowError,  # a date of no calendar
        ValueError,
    )
    number = 0
    reason = ""
    with source.path.open("rb") as raw:
        try:
            file = open_file(raw)
            present = [name for name in file.schema_arrow.names if name in columns]
            groups = file.metadata.num_row_groups
            for group in range(groups):
                if file.metadata.row_group(group).total_byte_size > MAX_ROW_GROUP_BYTES:
                    reason = f"has a row group of more than {MAX_ROW_GROUP_BYTES:,} bytes"
                    break
                for batch in file.iter_batches(batch_size=_ROWS_AT_A_TIME, row_groups=[group], columns=present):
                    for place in range(batch.num_rows):
                        row = batch.slice(place, 1)
                        number += 1
                        too_large = row.nbytes > limits.conversation_bytes
                        yield "larger than the limit for one conversation" if too_large else row.to_pylist()[0]
                progress(source.size * (group + 1) // groups)
        except arrow_errors:
            reason = "is no Parquet file, or is damaged from here"
    if reason:
        raise source.error(reason, element=number + 1)
