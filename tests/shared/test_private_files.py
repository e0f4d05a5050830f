"""Files and their names on systems that open no directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shared import private_files
from shared.private_files import sync, write_private


def test_where_no_directory_can_be_opened_files_are_synced_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, opened = os.open, []

    def as_windows(path: Path, flags: int, *more: int, **named: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        opened.append(flags)
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", as_windows)
    with pytest.raises(PermissionError):
        sync(tmp_path)
    monkeypatch.setattr(private_files, "_OPENS_DIRECTORIES", False)
    write_private(tmp_path / "file", [b"content"])
    assert (tmp_path / "file").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    opened.clear()
    sync(tmp_path / "file")
    assert opened == [os.O_RDWR]
    sync(tmp_path)
