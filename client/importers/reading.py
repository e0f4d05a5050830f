"""Opens what a person has (a file, plain or gzip; an export's .zip; a folder) and gives its bytes in chunks.

Nothing is unpacked to disk, and no file is ever held whole. Of a .zip only members with the names of exports are read,
whatever else it holds; kinds of compression other than deflate are refused, since their dictionaries may be huge.
What unpacks to over `BOMB_RATIO` times its size is refused once it passes `BOMB_BYTES`: conversations do not compress
like that.
"""

from __future__ import annotations

import errno
import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal, Protocol, TypeVar, cast

CHUNK_BYTES = 256 * 2**10
BOMB_RATIO = 300
BOMB_BYTES = 2**30

_EXPORT_FILE = re.compile(r"conversations(?:-[0-9]{1,6})?\.json")
_EXPORT_MEMBER = re.compile(r"(?:(?P<folder>[^/\\:\x00]{1,200})/)?(?P<file>conversations(?:-[0-9]{1,6})?\.json)")
_FOLDER_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz", ".parquet")
_DAMAGED = "the compressed data are damaged or cut short from here"
# What `zipfile` and `gzip` raise on damaged files.
_DAMAGE = (
    zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error,
    EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError, KeyError,
)  # fmt: skip

Progress = Callable[[int], None]
_Read = TypeVar("_Read")


class ImportFileError(ValueError):
    """A file cannot be imported, or not from some place on. Names file, place and reason; never holds what is in it.

    Attributes:
        file: the file, and the member of a .zip.
        reason: what is wrong.
        offset: of the byte in the unpacked file where it was seen, or None.
        element: number of the conversation (from 1), or None.
    """

    def __init__(self, *, file: str, reason: str, offset: int | None = None, element: int | None = None) -> None:
        place = "" if offset is None else f", byte {offset:,}"
        place += "" if element is None else f", conversation {element:,}"
        super().__init__(f"{file}{place}: {reason}")
        self.file = file
        self.reason = reason
        self.offset = offset
        self.element = element

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.file, self.reason, self.offset, self.element)


def _rebuild(file: str, reason: str, offset: int | None, element: int | None) -> ImportFileError:
    return ImportFileError(file=file, reason=reason, offset=offset, element=element)


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file that holds conversations.

    Attributes:
        path: of the file or the .zip.
        packing: how its bytes are kept.
        size: how many bytes progress counts to: of a .zip's member unpacked, of the rest on disk.
        packed_size: how many bytes it takes on disk.
        member: in a .zip, the member's full name.
    """

    path: Path
    packing: Literal["plain", "gzip", "zip", "parquet"]
    size: int
    packed_size: int
    member: str | None = None

    @property
    def label(self) -> str:
        """How errors call it. Of a member the folder is left out: its name is not one that was expected."""
        return str(self.path) if self.member is None else f"{self.path}: {self.member.rpartition('/')[2]}"

    def error(self, reason: str, *, offset: int | None = None, element: int | None = None) -> ImportFileError:
        """A complaint about it."""
        return ImportFileError(file=self.label, reason=reason, offset=offset, element=element)


def sources_of(path: Path) -> tuple[Source, ...]:
    """What there is to read at `path`, in the order of the names; at least one.

    Of a folder: its `conversations.json` and `conversations-000.json`, or where it has none every file whose name ends
    like JSON, JSON lines or Parquet. Folders within are not entered.

    Raises:
        ImportFileError: a .zip that is damaged, encrypted or holds no export; a folder without such files.
        OSError: a file cannot be opened.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        chosen = [file for file in files if _EXPORT_FILE.fullmatch(file.name)]
        chosen = chosen or [file for file in files if file.name.endswith(_FOLDER_SUFFIXES)]
        if not chosen:
            raise ImportFileError(
                file=str(path),
                reason="holds neither conversations.json nor a file that ends in " + ", ".join(_FOLDER_SUFFIXES),
            )
        return tuple(source for file in chosen for source in _sources_of_file(file))
    if path.exists() and not path.is_file():
        raise ImportFileError(file=str(path), reason="is neither a file nor a folder")
    return _sources_of_file(path)


def chunks(source: Source, progress: Progress = lambda _bytes: None) -> Iterator[bytes]:
    """A source's bytes, unpacked, `CHUNK_BYTES` at a time.

    Args:
        progress: is told how many bytes of `source.size` have been read.

    Raises:
        ImportFileError: the data are damaged from some place on; what comes before has been given.
        OSError: the file cannot be opened or read.
    """
    given = 0
    problem = ""
    with ExitStack() as opened:
        raw = opened.enter_context(source.path.open("rb"))
        file = _undamaged(lambda: _unpacked(source, raw, opened))
        while not problem:
            # Not `read`: it would drop what precedes damage.
            chunk = _undamaged(lambda: file.read1(CHUNK_BYTES)) if file is not None else None
            if chunk is None:
                problem = _DAMAGED
            elif not chunk:
                return
            else:
                given += len(chunk)
                progress(raw.tell() if source.packing == "gzip" else given)
                packed = raw.tell() if source.packing == "gzip" else source.packed_size
                if given > BOMB_BYTES and given > BOMB_RATIO * packed:
                    problem = f"unpacks to more than {BOMB_RATIO} times its size, as no conversations do"
                else:
                    yield chunk
    raise source.error(problem, offset=given)


class _Readable(Protocol):
    def read1(self, size: int, /) -> bytes: ...


def _unpacked(source: Source, raw: BufferedReader, opened: ExitStack) -> _Readable:
    if source.packing == "gzip":
        return opened.enter_context(gzip.GzipFile(fileobj=raw))
    if source.member is not None:
        archive = opened.enter_context(zipfile.ZipFile(raw))
        return opened.enter_context(cast(zipfile.ZipExtFile, archive.open(source.member)))
    return raw


def _undamaged(read: Callable[[], _Read]) -> _Read | None:
    """What is read, or None where that fails as it does on damaged files. Raises: OSError, of another kind."""
    try:
        return read()
    except _DAMAGE:
        return None
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place that a damaged table names, and no file has
            raise
        return None


def _sources_of_file(path: Path) -> tuple[Source, ...]:
    with path.open("rb") as file:
        beginning = file.read(4)
    size = path.stat().st_size
    if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _members(path)
    if beginning.startswith(b"\x1f\x8b"):
        return (Source(path=path, packing="gzip", size=size, packed_size=size),)
    return (Source(path=path, packing="parquet" if beginning == b"PAR1" else "plain", size=size, packed_size=size),)


def _members(path: Path) -> tuple[Source, ...]:
    """The export in a .zip: at its root, or else in its only folder that has one."""
    by_folder: dict[str, list[zipfile.ZipInfo]] = {}
    listed = _undamaged(lambda: _listed(path))
    for member in listed or ():
        found = _EXPORT_MEMBER.fullmatch(member.filename)
        if found is not None and found["folder"] not in (".", ".."):
            by_folder.setdefault(found["folder"] or "", []).append(member)
    chosen = by_folder.get("") or (next(iter(by_folder.values())) if len(by_folder) == 1 else [])
    names = [member.filename for member in chosen]
    reason = ""
    if listed is None:
        reason = "is not a complete .zip file: get the export again"
    elif not chosen:
        reason = (
            "holds exports in several folders: unpack it and import one"
            if by_folder
            else "holds neither conversations.json nor conversations-000.json"
        )
    elif len(set(names)) < len(names):
        reason = "holds two files of one name"
    elif any(member.flag_bits & 1 for member in chosen):
        reason = "is encrypted: unpack it first"
    elif any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in chosen):
        reason = "is compressed in an uncommon way: unpack it first"
    if reason:
        raise ImportFileError(file=str(path), reason=reason)
    return tuple(
        Source(
            path=path,
            packing="zip",
            size=member.file_size,
            packed_size=max(1, member.compress_size),
            member=member.filename,
        )
        for member in sorted(chosen, key=lambda member: member.filename)
    )


def _listed(path: Path) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return archive.infolist()
