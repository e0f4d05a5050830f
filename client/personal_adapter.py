"""What this device keeps of adapters: the shared ones as they came, and its own change of one, encrypted.

    shared.adapter, earlier-*   as they came with a round or a release, and the plan (`client.shared_adapters`)
    personal-LAYOUT.adapter     the change of an adapter of this layout, and how much of it is used

None is ever sent. All are sealed, the change under a key that its user's device may destroy by itself. A change is of
one layout (base model, method, rank, seed), whose digest names its file: what was trained for another is never used.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from client.device import DeviceError
from client.personal_training import PersonalChange
from client.sealed_adapters import SUFFIX, SealedAdapters
from client.shared_adapters import EARLIER, SharedAdapter, SharedAdapters
from shared.messages import TrainRequest

__all__ = ["KeptAdapters", "SharedAdapter"]

_EARLIER_KEPT = 3


class KeptAdapters:
    """The adapters of one device."""

    def __init__(
        self, directory: Path, *, device_key: bytes, personal_key: bytes | None = None, generation: int = 0
    ) -> None:
        """Args:
        directory: made with mode 0700 when it is needed.
        device_key: 32 secret bytes; the files' key is derived from it.
        personal_key: the same for what is trained here; by default `device_key`.
        generation: of what is trained here (`client.vault.learned`): files of another are not looked at.
        """
        self._files = SealedAdapters(directory, device_key=device_key)
        self._own = SealedAdapters(directory, device_key=personal_key or device_key)
        self._generation = generation
        self._shared = SharedAdapters(self._files, earlier=_EARLIER_KEPT)

    def keep_shared(self, request: TrainRequest) -> None:
        """Keeps the adapter that a request came with. Raises: DeviceError: it cannot be written."""
        self._shared.arrive(request)

    def keep_release(self, release: SharedAdapter) -> None:
        """Keeps and uses a release that was verified (`client.releases`). Raises: DeviceError: it cannot be written."""
        self._shared.install(release)

    def shared(self) -> SharedAdapter | None:
        """The one that is used; None if there is none.

        Raises:
            DeviceError: it is damaged, or of a plan that this version cannot read.
        """
        return self._shared.used()

    def all_shared(self) -> tuple[SharedAdapter, ...]:
        """Every shared one that is kept and can be read, the newest first."""
        return self._shared.all()

    def use_shared(self, sequence: int) -> SharedAdapter:
        """Goes back, or forth, to one that is kept. Raises: DeviceError: it is not, or cannot be written."""
        return self._shared.use(sequence)

    def stamp(self) -> tuple[int, ...]:
        """Changes whenever what is kept does, so that whoever uses it knows without reading it. Empty without any."""
        found: list[int] = []
        for file in sorted(self._files.directory.glob(f"*{SUFFIX}")):
            if file.name.startswith(EARLIER):
                continue
            with suppress(OSError):
                facts = file.stat()
                found += [facts.st_ino, facts.st_mtime_ns, facts.st_size]
        return (self._generation, *found) if found else ()

    def keep_personal(self, spec_digest: str, change: PersonalChange) -> None:
        """Keeps a change. Raises: DeviceError: it cannot be written."""
        head = {
            "weight": change.weight,
            "losses": [[weight, loss] for weight, loss in change.losses.items()],
            "trained": change.trained,
            "held_out": change.held_out,
        }
        self._own.write(self._personal(spec_digest), head, change.vector)

    def personal(self, spec_digest: str) -> PersonalChange | None:
        """The change for an adapter of this layout; None if there is none.

        Raises:
            DeviceError: it is damaged.
        """
        found = self._own.read(self._personal(spec_digest))
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
        """Removes the changes of every layout and generation; whether there were any of this one.

        Raises:
            DeviceError: they cannot be removed.
        """
        found = self._own.remove(self._personal("*"))
        self._own.remove(f"personal-*{SUFFIX}", ".personal-*")
        return found

    def _personal(self, spec_digest: str) -> str:
        generation = f"-{self._generation}" if self._generation else ""
        return f"personal-{spec_digest[:32]}{generation}{SUFFIX}"
