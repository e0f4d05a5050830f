"""Files that only their owner may read, there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

_OPENS_DIRECTORIES = os.name == "posix"


def write_private(path: Path, parts: Iterable[bytes], *, synced: bool = True) -> None:
    """Writes or replaces a file with mode 0600.

    Args:
        synced: with its name, so that it outlives a loss of power.

    Raises:
        OSError: it cannot be written; the one that was there before is untouched.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if synced:
        sync(path.parent)


def sync(path: Path) -> None:
    """Makes a file's content, or a directory's names, last; where no directory can be opened, its names as they will.

    Raises:
        OSError: a file cannot be synced.
    """
    if not _OPENS_DIRECTORIES and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if _OPENS_DIRECTORIES else os.O_RDWR)  # Windows syncs what it may write
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
