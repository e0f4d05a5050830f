"""An append-only log of privacy events: one JSON line an entry, each holding the digest of the one before.

    {"previous": "<digest>", "entry": {...}, "digest": "<SHA-256 of previous and entry>"}

A line is synced to disk before `append` returns. A process killed in the middle of one leaves half a line without its
newline: it was never acted on, and is cut off by the next `append`. Every other damage (a line changed, removed, moved
or added by hand) is found when the log is read, and nothing is appended to a damaged log. The chain is no signature:
whoever can write the file can forge a whole new one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

_FIRST = "0" * 64


class ChainError(RuntimeError):
    """A log is damaged. The message names file and line and quotes nothing."""


def append(path: Path, entry: Mapping[str, object]) -> str:
    """Adds an entry; returns the log's new digest. The file is made with mode 0600.

    Raises:
        ChainError: what is there is damaged.
        OSError: it cannot be written: nothing was added.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        entries, previous = _parse(whole, path)
        del entries
        if len(whole) != len(content):
            file.truncate(len(whole))
        line, digest = _line(previous, entry)
        try:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), len(whole))
            raise
    _sync_directory(path.parent)
    return digest


def read(path: Path) -> tuple[dict[str, object], ...]:
    """All entries, oldest first; none of a missing file. Half a last line is left out.

    Raises:
        ChainError: damaged.
        OSError: it cannot be read.
    """
    if not path.exists():
        return ()
    content = path.read_bytes()
    return _parse(content[: content.rfind(b"\n") + 1], path)[0]


def head(path: Path) -> tuple[int, str]:
    """How many entries there are, and the digest of the last. Raises: as `read`."""
    if not path.exists():
        return 0, _FIRST
    content = path.read_bytes()
    entries, digest = _parse(content[: content.rfind(b"\n") + 1], path)
    return len(entries), digest


def digest_at(path: Path, entries: int) -> str:
    """The digest of the log as it was after so many entries; "" if it has fewer. Raises: as `read`."""
    if entries == 0:
        return _FIRST
    if not path.exists():
        return ""
    content = path.read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    _parse(b"\n".join(lines), path)
    return str(json.loads(lines[entries - 1])["digest"]) if len(lines) >= entries else ""


def _line(previous: str, entry: Mapping[str, object]) -> tuple[bytes, str]:
    digest = _digest(previous, entry)
    said = {"previous": previous, "entry": dict(entry), "digest": digest}
    return json.dumps(said, allow_nan=False, separators=(",", ":")).encode() + b"\n", digest


def _digest(previous: str, entry: Mapping[str, object]) -> str:
    canonical = json.dumps(entry, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()


def _parse(content: bytes, path: Path) -> tuple[tuple[dict[str, object], ...], str]:
    entries: list[dict[str, object]] = []
    previous = _FIRST
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            said = json.loads(line)
            entry, digest = said["entry"], said["digest"]
            sound = isinstance(entry, dict) and said["previous"] == previous and digest == _digest(previous, entry)
        except (ValueError, TypeError, KeyError, RecursionError):
            sound = False
        if not sound:
            raise ChainError(
                f"{path}, line {number}: is not what was written there. A ledger that was changed counts for nothing: "
                "no more is added to it"
            )
        entries.append(entry)
        previous = digest
    return tuple(entries), previous


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
