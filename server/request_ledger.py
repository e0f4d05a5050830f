"""What devices were asked, written before they are: the number of times that a device can have answered.

    ledger.jsonl    {"round": 3, "attempt": 1}, one line a request to a cohort, appended and synced

Every attempt of a round is a release of its own towards the server, whether the round was released or not. The same
round and attempt asked again by a resumed run is the same request, which a device answers with the same bytes: it
counts once. The ledger never shrinks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

LEDGER_FILE = "ledger.jsonl"


def charge(directory: Path, *, round_number: int, attempt: int) -> None:
    """Records a request to a cohort. To be called before it is sent. Raises: OSError."""
    with (directory / LEDGER_FILE).open("a+b") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a killed process left half a line, which counts
                file.write(b"\n")
        file.write(json.dumps({"round": round_number, "attempt": attempt}).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def count_charges(directory: Path) -> int:
    """How many different requests were sent; a line that cannot be read counts as one. Raises: OSError."""
    file = directory / LEDGER_FILE
    if not file.exists():
        return 0
    requests: set[object] = set()
    for number, line in enumerate(file.read_bytes().splitlines()):
        try:
            said = json.loads(line)
            requests.add((int(said["round"]), int(said["attempt"])))
        except (ValueError, TypeError, KeyError):
            requests.add(number)
    return len(requests)
