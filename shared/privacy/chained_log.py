"""An append-only log of privacy events: one JSON line an entry, each with a digest of all before it.

    {"entry": {...}, "digest": "<SHA-256 of the digest before and the entry>"}

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
from dataclasses import dataclass
from pathlib import Path

from shared.private_files import sync

_FIRST = "0" * 64


class ChainError(RuntimeError):
    """A log is damaged. The message names file and line and quotes nothing."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A log that was read and is whole.

    Attributes:
        entries: oldest first.
        digests: after each entry; each names every entry before it.
    """

    entries: tuple[dict[str, object], ...] = ()
    digests: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """The digest after the last entry."""
        return self.digests[-1] if self.digests else _FIRST

    def goes_on_from(self, count: int, digest: str) -> bool:
        """Whether this is the log that had `count` entries and that digest, or a longer one."""
        return count == 0 or (count <= len(self.digests) and self.digests[count - 1] == digest)


def append(path: Path, entry: Mapping[str, object]) -> Chain:
    """Adds an entry; returns the whole log with it. The file is made with mode 0600.

    Raises:
        ChainError: what is there is damaged.
        OSError: it cannot be written: nothing was added.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        before = _parse(whole, path)
        if len(whole) != len(content):
            file.truncate(len(whole))
        said = {"entry": dict(entry), "digest": _digest(before.head, entry)}
        try:
            file.write(json.dumps(said, allow_nan=False, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), len(whole))
            raise
    sync(path.parent)
    return Chain(entries=(*before.entries, dict(entry)), digests=(*before.digests, str(said["digest"])))


def read(path: Path) -> Chain:
    """The log; an empty one of a missing file. Half a last line is left out.

    Raises:
        ChainError: damaged.
        OSError: it cannot be read.
    """
    if not path.exists():
        return Chain()
    content = path.read_bytes()
    return _parse(content[: content.rfind(b"\n") + 1], path)


def _digest(previous: str, entry: Mapping[str, object]) -> str:
    canonical = json.dumps(entry, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{canonical}".encode()).hexdigest()


def _parse(content: bytes, path: Path) -> Chain:
    entries: list[dict[str, object]] = []
    digests = [_FIRST]
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            said = json.loads(line)
            entry, digest = said["entry"], said["digest"]
            sound = isinstance(entry, dict) and digest == _digest(digests[-1], entry)
        except (ValueError, TypeError, KeyError, RecursionError):
            sound = False
        if not sound:
            raise ChainError(
                f"{path}, line {number}: is not what was written there. A ledger that was changed counts for nothing: "
                "no more is added to it"
            )
        entries.append(entry)
        digests.append(digest)
    return Chain(entries=tuple(entries), digests=tuple(digests[1:]))
