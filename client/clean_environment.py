"""The environment without passphrases: programs that are started here hand theirs on, and show it to whoever looks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

PASSPHRASE_VARIABLE = "TACIT_PASSPHRASE"  # noqa: S105 - its name
BACKUP_PASSPHRASE_VARIABLE = "TACIT_BACKUP_PASSPHRASE"  # noqa: S105 - its name
_SECRET = (PASSPHRASE_VARIABLE, BACKUP_PASSPHRASE_VARIABLE)


def clean_environment() -> dict[str, str]:
    """This process's, for a child."""
    return {name: value for name, value in os.environ.items() if name not in _SECRET}


@contextmanager
def cleaned_environment() -> Iterator[None]:
    """This process's own is clean in the block, for what starts children by itself. No other thread may need them."""
    taken = {name: os.environ.pop(name) for name in _SECRET if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
