"""What a restore, or a writing of a header, leaves behind when it is killed: files that still open, and must go.

A restore makes the vault in `.NAME.????????/vault` beside it; a header is written as `.vault.json.????????`, or with
`.vault.next.json.`, in the vault's directory.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from client.vault.header import HEADER_FILE, NEXT_HEADER_FILE
from client.vault.keys import erase

_RANDOM = "?" * 8
"""As `tempfile` names things."""


def leftovers(vault_directory: Path) -> tuple[Path, ...]:
    """Those of one vault. Raises: OSError."""
    made = [path for path in vault_directory.parent.glob(f".{vault_directory.name}.{_RANDOM}") if path.is_dir()]
    headers = [
        path
        for name in (HEADER_FILE, NEXT_HEADER_FILE)
        for path in vault_directory.glob(f".{name}.{_RANDOM}")
        if path.is_file()
    ]
    return tuple(sorted(path for path in (*made, *headers) if not path.is_symlink()))


def remove_leftovers(vault_directory: Path) -> None:
    """Destroys them, the wrapped keys first. Raises: OSError."""
    for path in leftovers(vault_directory):
        if path.is_dir():
            for header in (path / "vault" / HEADER_FILE, *path.glob(f"vault/.{HEADER_FILE}.{_RANDOM}")):
                erase(header)
            shutil.rmtree(path)
        else:
            erase(path)
