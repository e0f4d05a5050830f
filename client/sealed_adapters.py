"""Vectors of this device in files: a head of plain values and float32 numbers, sealed, each for its own name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.device import DeviceError
from client.seal import Seal, SealError
from shared.private_files import write_private

SUFFIX = ".adapter"


class SealedAdapters:
    """A directory of them."""

    def __init__(self, directory: Path, *, device_key: bytes) -> None:
        """Args:
        directory: made with mode 0700 when it is needed.
        device_key: the device's 32 secret bytes; the files' key is derived from it.
        """
        self.directory = directory
        self._seal = Seal(device_key, purpose="kept-adapters")

    def make_directory(self) -> None:
        """Raises: DeviceError: it cannot be made."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise DeviceError(f"{self.directory} cannot be made ({type(error).__name__})") from None

    def write(self, name: str, head: Mapping[str, object], vector: NDArray[np.float32]) -> None:
        """Writes or replaces one, whole or not at all. Raises: DeviceError: it cannot be written."""
        content = json.dumps(head).encode() + b"\n" + vector.astype("<f4").tobytes()
        self.make_directory()
        try:
            write_private(self.directory / name, [self._seal.close(content, place=name)])
        except OSError as error:
            raise DeviceError(f"{name} cannot be written ({type(error).__name__})") from None

    def read(self, name: str) -> tuple[dict[str, object], NDArray[np.float32]] | None:
        """Head and numbers; None if there is no such file. Raises: DeviceError: damaged, or of another key."""
        try:
            content = self._seal.open((self.directory / name).read_bytes(), place=name)
        except FileNotFoundError:
            return None
        except (OSError, SealError):
            raise DeviceError(f"{name} of this device is damaged, or was made under another key") from None
        head, _, body = content.partition(b"\n")
        return json.loads(head), np.frombuffer(body, dtype="<f4").astype(np.float32)

    def remove(self, *patterns: str) -> bool:
        """Removes the files that match; whether there were any. Raises: DeviceError: they cannot be removed."""
        found = [file for pattern in patterns for file in self.directory.glob(pattern)]
        try:
            for file in found:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise DeviceError(f"an adapter that is kept here cannot be removed ({type(error).__name__})") from None
        return bool(found)
