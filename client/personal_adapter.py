"""What this device keeps of adapters: the shared one as it last came, and its own change of it, encrypted.

    shared.adapter              as it came with the last round that this device answered, and the plan it belongs to
    personal-LAYOUT.adapter     the change of an adapter of this layout, and how much of it is used

Neither is ever sent. Both are sealed under the device's key. A change is of one layout (base model, method, rank,
seed), whose digest names its file: what was trained for another is never used.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client.device import DeviceError
from client.personal_training import PersonalChange
from client.seal import Seal, SealError
from shared.flat_config import ConfigError
from shared.messages import TrainRequest
from shared.private_files import write_private
from shared.round_plan import FederationPlan

_SHARED = "shared.adapter"


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedAdapter:
    """Attributes:
    plan, spec_digest, run, round_number: what it is the state of: the round's beginning.
    vector: (state_dimension,) float32.
    """

    plan: FederationPlan
    spec_digest: str
    run: str
    round_number: int
    vector: NDArray[np.float32]


class KeptAdapters:
    """The adapters of one device."""

    def __init__(self, directory: Path, *, device_key: bytes) -> None:
        """Args:
        directory: made with mode 0700 when it is needed.
        device_key: the device's 32 secret bytes; the files' key is derived from it.
        """
        self._directory = directory
        self._seal = Seal(device_key, purpose="kept-adapters")

    def keep_shared(self, request: TrainRequest) -> None:
        """Keeps the adapter that a request came with. Raises: DeviceError: it cannot be written."""
        head = {
            "plan": request.plan.to_run_config(),
            "spec": request.spec_digest,
            "run": request.run,
            "round": request.round_number,
        }
        self._write(_SHARED, head, request.vector)

    def shared(self) -> SharedAdapter | None:
        """The last one kept; None if there is none.

        Raises:
            DeviceError: it is damaged, or of a plan that this version cannot read.
        """
        found = self._read(_SHARED)
        if found is None:
            return None
        head, vector = found
        try:
            return SharedAdapter(
                plan=FederationPlan.from_run_config(dict(head["plan"])),  # type: ignore[call-overload]
                spec_digest=str(head["spec"]),
                run=str(head["run"]),
                round_number=int(str(head["round"])),
                vector=vector,
            )
        except (ConfigError, KeyError, TypeError, ValueError):
            raise DeviceError("the shared adapter that is kept here is of a plan that cannot be read") from None

    def reseal_shared(self, into: KeptAdapters) -> None:
        """Keeps the shared adapter under another's key too. Raises: DeviceError: it is damaged or cannot be written."""
        found = self._read(_SHARED)
        if found is not None:
            into._write(_SHARED, *found)

    def stamp(self) -> tuple[int, ...]:
        """Changes whenever what is kept does, so that whoever uses it knows without reading it."""
        found: list[int] = []
        for file in sorted(self._directory.glob("*.adapter")):
            with suppress(OSError):
                facts = file.stat()
                found += [facts.st_ino, facts.st_mtime_ns, facts.st_size]
        return tuple(found)

    def keep_personal(self, spec_digest: str, change: PersonalChange) -> None:
        """Keeps a change. Raises: DeviceError: it cannot be written."""
        head = {
            "weight": change.weight,
            "losses": [[weight, loss] for weight, loss in change.losses.items()],
            "trained": change.trained,
            "held_out": change.held_out,
        }
        self._write(_personal(spec_digest), head, change.vector)

    def personal(self, spec_digest: str) -> PersonalChange | None:
        """The change for an adapter of this layout; None if there is none.

        Raises:
            DeviceError: it is damaged.
        """
        found = self._read(_personal(spec_digest))
        if found is None:
            return None
        head, vector = found
        try:
            losses = {float(weight): float(loss) for weight, loss in head["losses"]}  # type: ignore[attr-defined]
            change = PersonalChange(vector=vector, weight=0.0, losses=losses, trained=0, held_out=0)
            counts = {name: int(str(head[name])) for name in ("trained", "held_out")}
            return replace(change, weight=float(str(head["weight"])), **counts)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError):
            raise DeviceError("the personal adapter of this device is damaged: `tacit personal forget`") from None

    def forget_personal(self) -> bool:
        """Removes the changes of every layout; whether there were any. Raises: DeviceError: they cannot be removed."""
        files = list(self._directory.glob("personal-*.adapter"))
        try:
            for file in (*files, *self._directory.glob(".personal-*")):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise DeviceError(f"the personal adapter cannot be removed ({type(error).__name__})") from None
        return bool(files)

    def _write(self, name: str, head: dict[str, object], vector: NDArray[np.float32]) -> None:
        content = json.dumps(head).encode() + b"\n" + vector.astype("<f4").tobytes()
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._directory / name, [self._seal.close(content, place=name)])
        except OSError as error:
            raise DeviceError(f"{name} cannot be written ({type(error).__name__})") from None

    def _read(self, name: str) -> tuple[dict[str, object], NDArray[np.float32]] | None:
        try:
            content = self._seal.open((self._directory / name).read_bytes(), place=name)
        except FileNotFoundError:
            return None
        except (OSError, SealError):
            raise DeviceError(f"{name} of this device is damaged, or was made under another key") from None
        head, _, body = content.partition(b"\n")
        return json.loads(head), np.frombuffer(body, dtype="<f4").astype(np.float32)


def _personal(spec_digest: str) -> str:
    return f"personal-{spec_digest[:32]}.adapter"
