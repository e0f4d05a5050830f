"""Files and directories that are there whole or not at all, whatever is killed in between."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.private_files import sync

TEMPORARY_PREFIX = ".writing-"


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Writes or replaces a file and syncs it and its directory.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """A directory to put files into, which is at `path` once the block has ended; if it fails, nothing is.

    What is at `path` before must be an empty directory by then, or nothing.

    Raises:
        OSError: it cannot be written.
    """
    written = Path(tempfile.mkdtemp(dir=path.parent, prefix=TEMPORARY_PREFIX))
    try:
        written.chmod(0o755)
        yield written
        for file in written.iterdir():
            sync(file)
        written.replace(path)
    except BaseException:
        shutil.rmtree(written, ignore_errors=True)
        raise
    sync(path.parent)
