"""What a run has come to, read from outside while its processes write: the ledgers of its server and its devices.

Devices and server write down what they are about to do before they do it, so that a ledger's new line is the beginning
of a phase, seen within milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from server.ledger import LEDGER_FILE
from shared.privacy import chained_log
from shared.privacy.chained_log import ChainError

Phase = Literal["training", "share", "mask", "confirm", "reveal", "aggregation", "release"]
"""`training` to `reveal` begin on a device; `aggregation` when all devices have revealed; `release` at the server."""
PHASES: tuple[Phase, ...] = get_args(Phase)


def entries(path: Path) -> tuple[dict[str, object], ...]:
    """A ledger's lines; none where it is not there, or is being written this moment."""
    try:
        return chained_log.read(path).entries
    except (OSError, ChainError):
        return ()


class Watch:
    """Looks for the beginning of phases in one round of one run."""

    def __init__(self, run_directory: Path, ledgers: Mapping[int, Path], *, round_number: int) -> None:
        """Args:
        ledgers: of the devices, by number.
        """
        self._server = run_directory / LEDGER_FILE
        self._ledgers = dict(ledgers)
        self._round = round_number

    def has_begun(self, phase: Phase, device: int) -> bool:
        """Whether a phase has begun, on a device where it begins on devices."""
        if phase == "release":
            return self._said(self._server, "release")
        if phase == "aggregation":
            return all(self._stage(number, "reveal") for number in self._ledgers)
        if phase == "training":
            return self._said(self._ledgers[device], "charge")
        return self._stage(device, phase)

    def _run(self) -> str:
        found = entries(self._server)
        return str(found[0]["run"]) if found else ""

    def _said(self, ledger: Path, kind: str) -> bool:
        run = self._run()
        return any(
            entry["kind"] == kind and entry["round"] == self._round and entry.get("run", run) == run
            for entry in entries(ledger)
        )

    def _stage(self, device: int, stage: str) -> bool:
        run = self._run()
        return any(
            entry["kind"] == "stage" and (entry["run"], entry["round"], entry["stage"]) == (run, self._round, stage)
            for entry in entries(self._ledgers[device])
        )


def charged(ledger: Path, run: str) -> Sequence[tuple[int, int]]:
    """(round, attempt) of every participation that a device has debited to a run."""
    return [
        (int(str(entry["round"])), int(str(entry["attempt"])))
        for entry in entries(ledger)
        if entry["kind"] == "charge" and entry["run"] == run
    ]
