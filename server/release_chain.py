"""The signed releases of a run, each naming the one before it: `releases/` of its directory.

    releases/0007/adapter.safetensors   the adapter as round 7 left it (`shared.release_payload`), of the last rounds
    releases/0007/manifest.json         what it is, signed (`shared.release`), of every round

Neither is there before the other. A release is made of the checkpoint, after it: killed in between, the resumed run
finds the chain one round short and makes the same release, to the last byte. The checkpoint itself is none: it names
the devices that failed, and holds what only the server needs.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.whole_files import TEMPORARY_PREFIX, whole_directory, write_whole
from shared.adapter_spec import AdapterSpec
from shared.release import ADAPTER_FILE, LARGEST_MANIFEST, MANIFEST_FILE, ReleaseManifest, ReleaseManifestError
from shared.release_payload import ReleasePayload, read_payload, sha256
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey

RELEASES_DIRECTORY = "releases"
_NUMBER = re.compile(r"\d{4,7}")


class ReleaseChain:
    """Makes a run's signed releases. One process at a time."""

    def __init__(
        self,
        run_directory: Path,
        *,
        plan: FederationPlan,
        spec: AdapterSpec,
        key: ServerKey,
        kept: int,
    ) -> None:
        """Args:
        kept: how many releases keep their adapter, the last ones; at least 1. All keep their manifest.
        """
        self._run_directory = run_directory
        self._plan = plan
        self._spec = spec
        self._key = key
        self._kept = kept
        self._last: ReleaseManifest | None = None

    def open(self, run: str, round_number: int, vector: NDArray[np.float32], *, made: int) -> None:
        """Finds the chain of a run to be resumed, and makes the last release where a kill came before it was there.

        A run that signed nothing yet begins its chain here.

        Args:
            run, round_number, vector, made: of the checkpoint; made is 0 if its round was not signed.

        Raises:
            ReleaseManifestError: the chain is broken, gone, another run's or key's, or does not end with this round.
            OSError: it cannot be read or written.
        """
        self.clean()
        chain = read_chain(self._run_directory)
        self._last = chain[-1] if chain else None
        if self._last is None and made and round_number > 1:
            # Begun anew it would be another story of the same rounds, by the same key.
            raise ReleaseManifestError(f"the releases before release {round_number} are gone: put them back")
        made = made or int(time.time())
        if self._last is None or self._last.round_number == round_number - 1:
            self.add(run, round_number, vector, made=made)
            return
        if self._last.round_number != round_number:
            raise ReleaseManifestError(
                f"the last release is {self._last.round_number}, and the checkpoint is of round {round_number}"
            )
        content = self._content(vector)
        expected = self._manifest(run, round_number, content, self._last.previous, made)
        for name in ("run", "plan", "specification", "adapter", "server"):
            if getattr(self._last, name) != getattr(expected, name):
                raise ReleaseManifestError(f"{name}: release {round_number} has another than this run")
        file = self._place(round_number) / ADAPTER_FILE
        if not file.exists() or file.read_bytes() != content:
            write_whole(file, content)

    def add(self, run: str, round_number: int, vector: NDArray[np.float32], *, made: int) -> ReleaseManifest:
        """Makes the release of a round, whole or not at all, and removes adapters that are no longer kept.

        Args:
            made: seconds since 1970.

        Raises:
            ReleaseManifestError: it does not follow the one before.
            OSError: it cannot be written; the one before stands.
        """
        content = self._content(vector)
        previous = "" if self._last is None else self._last.digest()
        manifest = self._manifest(run, round_number, content, previous, made).signed(self._key)
        if self._last is not None:
            manifest.check_follows(self._last)
        self._releases.mkdir(exist_ok=True)
        with whole_directory(self._place(round_number)) as written:
            write_whole(written / ADAPTER_FILE, content)
            write_whole(written / MANIFEST_FILE, manifest.to_json().encode())
        self._last = manifest
        for directory in release_directories(self._run_directory):
            if int(directory.name) <= round_number - self._kept:
                (directory / ADAPTER_FILE).unlink(missing_ok=True)
        return manifest

    def clean(self) -> None:
        """Removes what a killed process left half written. Raises: OSError."""
        for left_over in self._releases.glob(f"**/{TEMPORARY_PREFIX}*"):
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink(missing_ok=True)

    @property
    def _releases(self) -> Path:
        return self._run_directory / RELEASES_DIRECTORY

    def _place(self, round_number: int) -> Path:
        return self._releases / f"{round_number:04d}"

    def _content(self, vector: NDArray[np.float32]) -> bytes:
        return ReleasePayload(plan=self._plan, vector=vector).to_bytes()

    def _manifest(self, run: str, round_number: int, content: bytes, previous: str, made: int) -> ReleaseManifest:
        return ReleaseManifest(
            run=run,
            round_number=round_number,
            plan=self._plan.digest(),
            specification=self._spec.digest(),
            base_name=self._spec.base_name,
            base_fingerprint=self._spec.base_fingerprint,
            method=self._spec.config.method,
            adapter=sha256(content),
            size=len(content),
            previous=previous,
            made=made,
            server=self._key.public,
        )


def release_directories(run_directory: Path) -> tuple[Path, ...]:
    """The releases' own directories, oldest first."""
    found = [path for path in (run_directory / RELEASES_DIRECTORY).glob("*") if _NUMBER.fullmatch(path.name)]
    return tuple(sorted(found, key=lambda path: int(path.name)))


def read_chain(run_directory: Path) -> tuple[ReleaseManifest, ...]:
    """The manifests of a run, oldest first, of which each follows the one before, all signed by one key.

    Raises:
        ReleaseManifestError: they do not; it names the release.
        OSError: they cannot be read.
    """
    chain: list[ReleaseManifest] = []
    for directory in release_directories(run_directory):
        try:
            manifest = read_manifest(directory)
            manifest.check({chain[0].server if chain else manifest.server})
            if manifest.round_number != int(directory.name):
                raise ReleaseManifestError("round_number: is not that of its directory")
            if chain:
                manifest.check_follows(chain[-1])
            elif manifest.previous:
                raise ReleaseManifestError("previous: the releases before it are gone")
        except ReleaseManifestError as error:
            raise ReleaseManifestError(f"the chain is broken at release {int(directory.name)}: {error}") from None
        chain.append(manifest)
    return tuple(chain)


def read_manifest(directory: Path) -> ReleaseManifest:
    """A release's manifest; who signed it is not looked at. Raises: ReleaseManifestError, OSError."""
    try:
        with (directory / MANIFEST_FILE).open("rb") as file:
            return ReleaseManifest.from_json(file.read(LARGEST_MANIFEST + 1))
    except FileNotFoundError:
        raise ReleaseManifestError("its manifest is missing") from None


def read_release(run_directory: Path, manifest: ReleaseManifest) -> ReleasePayload:
    """The adapter of a release of the chain.

    Raises:
        ReleaseManifestError: it is no longer kept, or not the one that the manifest names.
        OSError: it cannot be read.
    """
    file = run_directory / RELEASES_DIRECTORY / f"{manifest.round_number:04d}" / ADAPTER_FILE
    if not file.exists():
        raise ReleaseManifestError(
            f"the adapter of release {manifest.round_number} is no longer kept (output.kept-releases says how many are)"
        )
    return read_payload(file.read_bytes(), manifest)
