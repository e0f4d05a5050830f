"""Tells which format a file, a .zip or a folder holds, by the first records of its first file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from client.importers import chatgpt, claude, messages_jsonl, open_webui, rows, sharegpt
from client.importers.imported import FormatName, ImportFormat
from client.importers.reading import ImportFileError, Source, sources_of
from client.importers.records import ImportLimits, records

_FORMATS: tuple[ImportFormat, ...] = (
    chatgpt.FORMAT,
    claude.FORMAT,
    open_webui.FORMAT,
    rows.WILDCHAT,
    rows.LMSYS,
    sharegpt.FORMAT,
    messages_jsonl.FORMAT,
)
FORMATS: Mapping[FormatName, ImportFormat] = {one.name: one for one in _FORMATS}

_RECORDS_LOOKED_AT = 20


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What there is to import.

    Attributes:
        format: of all sources.
        sources: in the order in which they are read.
    """

    format: ImportFormat
    sources: tuple[Source, ...]


def detect(path: Path, *, limits: ImportLimits | None = None) -> Detected:
    """The format, and what there is to read.

    Raises:
        ImportFileError: it is none that is known (the message says what was looked for), or damaged before its first
            conversation ends.
        OSError: it cannot be opened or read.
    """
    sources = sources_of(path)
    first = sources[0]
    columns = {name for one in _FORMATS for name in one.columns or ()}
    looked_at = islice(records(first, limits=limits or ImportLimits(), columns=columns), _RECORDS_LOOKED_AT)
    damage: ImportFileError | None = None
    try:
        for record in looked_at:
            for one in _FORMATS:
                if not isinstance(record, str) and one.recognises(record):
                    return Detected(format=one, sources=sources)
    except ImportFileError as error:
        damage = error.with_traceback(None)  # its frames hold what was read
    if damage is not None:
        raise damage
    raise first.error("is none of " + "; ".join(one.told_by for one in _FORMATS))
