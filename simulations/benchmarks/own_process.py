"""Measuring in a process of its own, and what Linux says of a process's memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal


def measured_alone(module: str, *arguments: object) -> dict[str, float]:
    """What `python -m module arguments` prints as its last line, a JSON object of numbers.

    Raises:
        CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def resident_bytes(field: Literal["VmRSS", "VmHWM"] = "VmRSS") -> int:
    """Bytes of this process in memory: now (VmRSS), or at most so far (VmHWM).

    Not `ru_maxrss`, which a child inherits from the process before it.

    Raises:
        OSError: the system is not Linux.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise OSError(f"/proc/self/status has no {field}")
