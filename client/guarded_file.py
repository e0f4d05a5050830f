"""Files that decide what may leave a device: read only if nobody but their owner can have written them."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class GuardedFileError(RuntimeError):
    """A file cannot be trusted or read. Names it and quotes nothing of it."""


def read_guarded(path: Path, *, limit: int, may_be_roots: bool = False) -> str:
    """A text file that nobody but its owner can change. Checked on the open file, which nobody can exchange.

    Args:
        limit: the most bytes it may have.
        may_be_roots: whether the administrator's file will do.

    Raises:
        GuardedFileError: it is missing, no file, not UTF-8, too long, or others can write it.
    """
    problem = ""
    content = b""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))  # a named pipe must not hold us
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                problem = "is not a file"
            elif os.name == "posix" and found.st_uid not in ({os.geteuid(), 0} if may_be_roots else {os.geteuid()}):
                problem = "belongs to another user; make your own"
            elif os.name == "posix" and found.st_mode & 0o022:
                problem = "can be written by others; run chmod go-w on it"
            else:
                content = file.read(limit + 1)
    except OSError as error:
        problem = f"cannot be read ({type(error).__name__})"
    if len(content) > limit:
        problem = f"is longer than {limit:,} bytes"
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    if problem:
        raise GuardedFileError(f"{path}: {problem}")
    return text
