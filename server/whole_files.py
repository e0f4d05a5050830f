"""Files that are there whole or not at all, whatever is killed in between."""

from __future__ import annotations

import os
import tempfile
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
