"""The factors of an adapter that never leave: trained on this device, kept here, encrypted under its key.

A run has one file. It holds what the factors were before the round and after it, so that a round that is asked again
begins where it began the first time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.device import DeviceError
from client.seal import Seal, SealError
from shared.messages import TrainRequest
from shared.private_files import write_private

_NUMBER_BYTES = 8
_RUNS_KEPT = 8


class SealedFactors:
    """The personal factors of one device, by run."""

    def __init__(self, directory: Path, *, device_key: bytes, lasting: bool = True) -> None:
        """Args:
        directory: made with mode 0700 when it is needed.
        device_key: the device's 32 secret bytes; the files' key is derived from it.
        lasting: whether files outlive a loss of power; a simulation's need not.
        """
        self._directory = directory
        self._lasting = lasting
        self._seal = Seal(device_key, purpose="personal-factors")

    def begin(self, request: TrainRequest) -> NDArray[np.float32] | None:
        """What a round begins with: None in the run's first, or where the file was another adapter's.

        Raises:
            DeviceError: the file is damaged.
        """
        found = self._read(request.run, request.spec_digest)
        if found is None:
            return None
        number, before, after = found
        if number > request.round_number:
            raise DeviceError("this device's own factors are those of a later round")
        start = before if number == request.round_number else after
        return start if start.size else None

    def keep(self, request: TrainRequest, trained: NDArray[np.float32]) -> None:
        """Keeps what a round has trained.

        Raises:
            DeviceError: it cannot be written, or what is there is damaged.
        """
        begun = self.begin(request)
        before = np.zeros(0, dtype=np.float32) if begun is None else begun
        content = (
            request.round_number.to_bytes(_NUMBER_BYTES, "big")
            + before.size.to_bytes(_NUMBER_BYTES, "big")
            + before.astype("<f4").tobytes()
            + trained.astype("<f4").tobytes()
        )
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            sealed = self._seal.close(content, place=_place(request.run, request.spec_digest))
            self._tidy()
            write_private(self._file(request.run), [sealed], synced=self._lasting)
        except OSError as error:
            raise DeviceError(f"this device's own factors cannot be kept ({type(error).__name__})") from None

    def last(self, run: str, spec_digest: str) -> NDArray[np.float32] | None:
        """What the run's last round left here; None if this device was in none. Raises: DeviceError: as `begin`."""
        found = self._read(run, spec_digest)
        return None if found is None else found[2]

    def forget(self) -> bool:
        """Removes those of every run; whether there were any. Raises: DeviceError: they cannot be removed."""
        files = list(self._directory.glob("*.factors"))
        try:
            for file in files:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise DeviceError(f"this device's own factors cannot be removed ({type(error).__name__})") from None
        return bool(files)

    def _tidy(self) -> None:
        """What a killed process left half written goes, and the factors of runs long gone."""
        for left in self._directory.glob(".*.factors.*"):
            left.unlink(missing_ok=True)
        runs = sorted(self._directory.glob("*.factors"), key=lambda file: file.stat().st_mtime)
        for file in runs[:-_RUNS_KEPT]:
            file.unlink(missing_ok=True)

    def _read(self, run: str, spec_digest: str) -> tuple[int, NDArray[np.float32], NDArray[np.float32]] | None:
        try:
            content = self._seal.open(self._file(run).read_bytes(), place=_place(run, spec_digest))
        except FileNotFoundError:
            return None
        except (OSError, SealError):
            raise DeviceError("this device's own factors are damaged, or another adapter's") from None
        number = int.from_bytes(content[:_NUMBER_BYTES], "big")
        size = int.from_bytes(content[_NUMBER_BYTES : 2 * _NUMBER_BYTES], "big")
        values = np.frombuffer(content[2 * _NUMBER_BYTES :], dtype="<f4").astype(np.float32)
        return number, values[:size], values[size:]

    def _file(self, run: str) -> Path:
        return self._directory / f"{run}.factors"


def _place(run: str, spec_digest: str) -> str:
    return f"{run}/{spec_digest}"
