"""The figures of a finished run, which only a simulation has: `summary.json` of its directory."""

from __future__ import annotations

import json
from pathlib import Path

from server.releases import ReleaseError

SUMMARY_FILE = "summary.json"


def read_summary(run_directory: Path) -> dict[str, object] | None:
    """None where there are none. Raises: ReleaseError: damaged; OSError."""
    file = run_directory / SUMMARY_FILE
    if not file.exists():
        return None
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        summary = None
    if not isinstance(summary, dict):
        raise ReleaseError(f"{file} is damaged")
    return summary
