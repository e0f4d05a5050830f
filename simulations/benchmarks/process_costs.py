"""What other processes have cost: memory at its peak, and CPU time, as Linux counts them in /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def peak_bytes(process: int) -> int:
    """The most that a process has had in memory; 0 where it has gone, or where there is no /proc."""
    return int(_status(process).get("VmHWM", "0").split()[0]) * 1024


def cpu_seconds(process: int) -> float:
    """CPU time of a process and of those of its children that it has waited for; 0 where it has gone."""
    with suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def name_of(process: int) -> str:
    """Its command line, with spaces between; "" where it has gone."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""


def descendants_of(process: int) -> list[int]:
    """All processes that it started, and theirs."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text(encoding="ascii").split()):
                found += [child, *descendants_of(child)]
    return found


def _status(process: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
