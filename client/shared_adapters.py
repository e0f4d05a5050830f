"""The shared adapters that came to this device: the one that is used, and a few from before it.

    shared.adapter             the one that is used
    earlier-NNNNNNNN.adapter   others, numbered as they came; at most so many as are kept

They come with the rounds that this device answers, or as signed releases that its user installs. What comes replaces
what is used, which is kept. Its user may go back to any that is kept, and forth again; when another comes after that,
those that were gone back from are dropped.

What a user chose holds: after an installation or a step back, a round of a known run replaces nothing unless it begins
from something newer than all that was here of that run. So a release that was gone back from does not return with the
next round, which begins with that very adapter; the release after it comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from client.device import DeviceError
from client.sealed_adapters import SUFFIX, SealedAdapters
from shared.flat_config import ConfigError
from shared.messages import TrainRequest
from shared.release import ReleaseManifest, ReleaseManifestError
from shared.round_plan import FederationPlan

EARLIER = "earlier-"
_SHARED = f"shared{SUFFIX}"
_LOCK_SECONDS = 60.0
_UNREADABLE = "the shared adapter that is kept here is of a plan that cannot be read"


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedAdapter:
    """Attributes:
    plan, spec_digest, run, round_number: what it is the state of: the round's beginning.
    vector: (state_dimension,) float32.
    manifest: of the signed release that it is; None if it came with a round.
    sequence: its place among all that came, from 1.
    """

    plan: FederationPlan
    spec_digest: str
    run: str
    round_number: int
    vector: NDArray[np.float32]
    manifest: ReleaseManifest | None = None
    sequence: int = 1

    @property
    def release(self) -> int:
        """The round that ended with it; 0 if none did."""
        return self.round_number - 1

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        if self.manifest is not None:
            return f"release {self.release} of run {self.run[:8]}"
        return f"as of round {self.round_number} of run {self.run[:8]}"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """Attributes:
    adapter: one that is kept.
    holds: by run, the newest release of it that no round may bring back.
    """

    adapter: SharedAdapter
    holds: Mapping[str, int] = field(default_factory=dict)


class SharedAdapters:
    """Those of one device. Processes may use it at once."""

    def __init__(self, files: SealedAdapters, *, earlier: int) -> None:
        """Args:
        earlier: how many are kept beside the one that is used.
        """
        self._files = files
        self._earlier = earlier

    def arrive(self, request: TrainRequest) -> None:
        """Keeps and uses the adapter that a request came with, unless its user's choice holds.

        Raises:
            DeviceError: it cannot be written.
        """
        came = SharedAdapter(
            plan=request.plan,
            spec_digest=request.spec_digest,
            run=request.run,
            round_number=request.round_number,
            vector=request.vector,
        )
        with self._locked():
            used = self._readable_used()
            if used is None or came.release > used.holds.get(came.run, -1):
                holds = {run: newest for run, newest in self._holds(used).items() if run != came.run}
                self._replace(used, came, holds=holds)

    def install(self, release: SharedAdapter) -> None:
        """Keeps and uses a release that was verified. Raises: DeviceError: it cannot be written."""
        with self._locked():
            used = self._readable_used()
            holds = self._holds(used)
            holds[release.run] = max(release.release, holds.get(release.run, 0))
            self._replace(used, release, holds=holds)

    def used(self) -> SharedAdapter | None:
        """The one that is used; None if there is none. Raises: DeviceError: damaged, or of an unreadable plan."""
        found = self._read(_SHARED)
        return None if found is None else found.adapter

    def all(self) -> tuple[SharedAdapter, ...]:
        """Every one that is kept and can be read, the newest first; the one that is used among them."""
        used = self._readable_used()
        found = {one.adapter.sequence: one.adapter for one in self._others()}
        if used is not None:
            found[used.adapter.sequence] = used.adapter
        return tuple(found[sequence] for sequence in sorted(found, reverse=True))

    def use(self, sequence: int) -> SharedAdapter:
        """Goes back, or forth, to one that is kept.

        Raises:
            DeviceError: it is not kept, or a file cannot be written.
        """
        with self._locked():
            used = self._readable_used()
            if used is not None and used.adapter.sequence == sequence:
                return used.adapter
            chosen = self._read(_name(sequence))
            if chosen is None:
                raise DeviceError("that adapter is no longer kept here")
            if used is not None:
                self._write(_name(used.adapter.sequence), _Kept(adapter=used.adapter))
            self._write(_SHARED, _Kept(adapter=chosen.adapter, holds=self._holds(used)))
            self._files.remove(_name(sequence))
            return chosen.adapter

    def _replace(self, used: _Kept | None, came: SharedAdapter, *, holds: Mapping[str, int]) -> None:
        if used is None:
            place = max(self._numbers(), default=0) + 1
            self._write(_SHARED, _Kept(adapter=replace(came, sequence=place), holds=holds))
            return
        before = used.adapter
        if came.spec_digest == before.spec_digest and np.array_equal(came.vector, before.vector):
            self._write(_SHARED, _Kept(adapter=replace(came, sequence=before.sequence), holds=holds))
            return
        for number in self._numbers():
            if number > before.sequence:  # gone back from
                self._files.remove(_name(number))
        self._write(_name(before.sequence), _Kept(adapter=before))
        self._write(_SHARED, _Kept(adapter=replace(came, sequence=before.sequence + 1), holds=holds))
        for number in self._numbers()[: -self._earlier]:
            self._files.remove(_name(number))

    def _holds(self, used: _Kept | None) -> dict[str, int]:
        """The newest release of every run that is or was here."""
        holds = {} if used is None else dict(used.holds)
        for one in self.all():
            holds[one.run] = max(one.release, holds.get(one.run, 0))
        return holds

    def _numbers(self) -> list[int]:
        names = (file.name for file in self._files.directory.glob(f"{EARLIER}*{SUFFIX}"))
        texts = (name.removeprefix(EARLIER).removesuffix(SUFFIX) for name in names)
        return sorted(int(text) for text in texts if text.isdecimal())

    def _others(self) -> Iterator[_Kept]:
        for number in self._numbers():
            try:
                found = self._read(_name(number))
            except DeviceError:  # what cannot be read cannot be gone back to
                continue
            if found is not None:
                yield found

    def _readable_used(self) -> _Kept | None:
        try:
            return self._read(_SHARED)
        except DeviceError:  # what comes takes its place
            return None

    def _write(self, name: str, kept: _Kept) -> None:
        adapter = kept.adapter
        head = {
            "plan": adapter.plan.to_run_config(),
            "spec": adapter.spec_digest,
            "run": adapter.run,
            "round": adapter.round_number,
            "manifest": None if adapter.manifest is None else adapter.manifest.to_json(),
            "sequence": adapter.sequence,
            "holds": dict(kept.holds),
        }
        self._files.write(name, head, adapter.vector)

    def _read(self, name: str) -> _Kept | None:
        found = self._files.read(name)
        if found is None:
            return None
        head, vector = found
        try:
            manifest = head.get("manifest")
            adapter = SharedAdapter(
                plan=FederationPlan.from_run_config(dict(head["plan"])),  # type: ignore[call-overload]
                spec_digest=str(head["spec"]),
                run=str(head["run"]),
                round_number=int(str(head["round"])),
                vector=vector,
                manifest=None if manifest is None else ReleaseManifest.from_json(str(manifest).encode()),
                sequence=int(str(head.get("sequence", 1))),
            )
            holds = {str(run): int(at) for run, at in cast("dict[str, int]", head.get("holds", {})).items()}
        except (AttributeError, ConfigError, KeyError, ReleaseManifestError, TypeError, ValueError):
            raise DeviceError(_UNREADABLE) from None
        return _Kept(adapter=adapter, holds=holds)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._files.make_directory()
        try:
            with FileLock(self._files.directory / "adapters.lock", timeout=_LOCK_SECONDS, mode=0o600):
                yield
        except Timeout:
            raise DeviceError("another process holds the adapters of this device: try again") from None


def _name(sequence: int) -> str:
    return f"{EARLIER}{sequence:08d}{SUFFIX}"
