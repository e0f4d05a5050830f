"""Which processes live. One that has ended and that nobody has asked for (a zombie) does not."""

from __future__ import annotations

from pathlib import Path


def lives(pid: int) -> bool:
    """Whether a process has not ended."""
    return _group_of(pid) is not None


def living_in_group(group: int) -> list[int]:
    """Ids of the processes of a group that have not ended."""
    numbers = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [pid for pid in numbers if _group_of(pid) == group]


def _group_of(pid: int) -> int | None:
    """Its group; None where it has ended."""
    try:
        # The command stands in brackets and may hold any character.
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(group)
