"""A run's directory: every finished round, so that a killed run goes on where it was.

    ledger.jsonl            what was asked of devices and released (`server.ledger`)
    rounds.jsonl            one `RoundRecord` a line, appended and synced
    checkpoint.safetensors  the last release and what it belongs to, replaced as a whole
    adapter/                the last round's adapter as a PEFT directory, made when the run ends
    releases/               every round's release, signed, where the server has a key (`server.release_chain`)

and, only while a private run is unfinished, two files with mode 0600 that take its privacy off:

    cohorts.key                secret of Poisson cohorts (`server.cohorts`)
    central-noise.safetensors  what correlated noise remembers (`server.central_noise`)

The checkpoint IS the release of its round: once it stands, that round is never computed again. It is written before the
round's line, and carries it, so that a kill between the two loses nothing.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from server.central_noise import NOISE_STATE_FILE
from server.cohorts import new_cohort_key
from server.ledger import ChainError, LedgerState, RunLedger
from server.release_chain import ReleaseChain, release_directories
from server.round_record import RoundRecord
from server.whole_files import TEMPORARY_PREFIX, whole_directory, write_whole
from shared.adapter_spec import AdapterSpec
from shared.flat_config import ConfigError
from shared.release import ReleaseManifestError
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey

if TYPE_CHECKING:
    # PyTorch is for those who run rounds, and not for who asks how they went.
    from shared.adapter import AdaptedModel

_LOG = logging.getLogger(__name__)
ROUNDS_FILE, CHECKPOINT_FILE, ADAPTER_DIRECTORY = "rounds.jsonl", "checkpoint.safetensors", "adapter"
COHORT_KEY_FILE = "cohorts.key"
SECRET_FILES = (COHORT_KEY_FILE, NOISE_STATE_FILE)
_KEY_BYTES = 32
_FORMAT = "1"
_VECTOR, _STEP = "vector", "step."


class ReleaseError(RuntimeError):
    """The run directory cannot be used, or a release must not be made. The message says what to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Release:
    """Attributes:
    round_number: 0 for the untrained adapter.
    vector: (state_dimension,) float32.
    remembered: what the server's steps must know of earlier ones.
    """

    round_number: int
    vector: NDArray[np.float32]
    remembered: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """What a checkpoint holds, read and not yet checked against a plan.

    Attributes:
        plan: flat keys.
        spec: digest of the adapter's layout.
        record: of the round.
        entries, digest: of the run's ledger as it stood then.
        made: when, in seconds since 1970; 0 where nothing was signed.
        vector, remembered: see `Release`.
    """

    plan: Mapping[str, object]
    spec: str
    record: RoundRecord
    entries: int
    digest: str
    made: int
    vector: NDArray[np.float32]
    remembered: Mapping[str, NDArray[np.float64]]


class RunDirectory:
    """The artefacts of one run. Every write is whole or not there."""

    def __init__(
        self,
        path: Path,
        *,
        plan: FederationPlan,
        spec: AdapterSpec,
        signing_key: ServerKey | None = None,
        kept_releases: int = 3,
    ) -> None:
        """Args:
        signing_key: signs every round's release; None makes none.
        kept_releases: how many of them keep their adapter.
        """
        self.path = path
        self._plan = plan
        self._spec = spec
        self._ledger = RunLedger(path)
        self._chain = (
            None
            if signing_key is None
            else ReleaseChain(path, plan=plan, spec=spec, key=signing_key, kept=kept_releases)
        )

    @property
    def noise_state(self) -> Path:
        """Where correlated noise keeps what it must remember."""
        return self.path / NOISE_STATE_FILE

    @property
    def adapter(self) -> Path:
        """The PEFT directory of a finished run."""
        return self.path / ADAPTER_DIRECTORY

    def open(self, *, resume: bool) -> Release | None:
        """Makes the directory, or finds the last release of a run to resume; None where there is none yet.

        Raises:
            ReleaseError: a run stands there and `resume` is off, it followed another plan or model (the differing keys
                are named), the checkpoint is damaged, the chain of releases is broken or another key's, or the
                directory cannot be written.
        """
        with self._explained("use"):
            self.path.mkdir(parents=True, exist_ok=True)
            for left_over in self.path.glob(f"{TEMPORARY_PREFIX}*"):
                shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
            if not self._checkpoint.exists():
                if release_directories(self.path):
                    raise ReleaseError(f"{self.path} holds releases of a run whose checkpoint is gone: name another")
                self._rounds.unlink(missing_ok=True)
                write_whole(self.path / ".writable", b"")
                (self.path / ".writable").unlink()
                return None
            if not resume:
                raise ReleaseError(f"{self.path} holds a run already: resume it, or name another directory")
            found = read_checkpoint(self.path)
        self._check_same_run(found)
        if self._plan.is_private:
            self._check_ledger(found)
        last = found.record
        with self._explained("mend"):
            self._mend_rounds(last)
            if self._chain is not None:
                self._chain.open(self._run(), last.round_number, found.vector, made=found.made)
        return Release(round_number=last.round_number, vector=found.vector, remembered=found.remembered)

    def begin(self, devices: Sequence[int]) -> LedgerState:
        """The run's name and the devices that began it: recorded now, or when it began before.

        Raises:
            ReleaseError: the ledger is damaged or cannot be written, or the run signs its releases and has no key.
        """
        if self._chain is None and release_directories(self.path):
            raise ReleaseError(f"the run in {self.path} signs its releases: name its key as output.signing-key")
        found = self._begun()
        if found is not None:
            if found.plan != self._plan.digest():
                raise ReleaseError(f"the ledger in {self.path} is another plan's run: name another directory")
            return found
        with self._explained("write the ledger in"):
            return self._ledger.begin(self._plan, devices)

    def charge(self, round_number: int, attempt: int) -> int:
        """Records that a cohort is about to be asked; the request's place among all, from 0.

        Raises:
            ReleaseError: it cannot be recorded, so it must not be asked.
        """
        with self._explained("write the ledger in"):
            return self._ledger.ask(round_number, attempt)

    def asked(self, round_number: int) -> int:
        """The last attempt of a round that was recorded; 0 of none.

        Raises:
            ReleaseError: the ledger cannot be read.
        """
        with self._explained("read the ledger in"):
            begun = self._begun()
        return max((attempt for number, attempt in begun.asked if number == round_number), default=0) if begun else 0

    def cohort_key(self) -> bytes:
        """The secret of this run's Poisson cohorts, made once, kept while the run lasts.

        Raises:
            ReleaseError: it is damaged, or gone although cohorts were asked.
        """
        file = self.path / COHORT_KEY_FILE
        with self._explained("keep the cohorts' key in"):
            if not file.exists():
                begun = self._begun()
                if begun is not None and begun.asked:
                    raise ReleaseError(f"{file} is gone, so this run's cohorts cannot be asked again: start anew")
                write_whole(file, new_cohort_key(), mode=0o600)
            key = file.read_bytes()
        if len(key) != _KEY_BYTES:
            raise ReleaseError(f"{file} is damaged, so this run's cohorts cannot be asked again: start anew")
        return key

    def _check_ledger(self, found: Checkpoint) -> None:
        """A ledger that was set back would let devices be asked again for what they have answered."""
        with self._explained("read the ledger in"):
            if not self._ledger.chain().goes_on_from(found.entries, found.digest):
                raise ReleaseError(
                    f"the ledger of the private run in {self.path} is gone or was set back: nothing may be asked "
                    "without it; the run's releases stand"
                )

    def _begun(self) -> LedgerState | None:
        with self._explained("read the ledger in"):
            return self._ledger.state()

    def _run(self) -> str:
        begun = self._begun()
        if begun is None:
            raise ReleaseError(f"the ledger of the run in {self.path} is gone: its releases cannot be named")
        return begun.run

    def commit(
        self,
        vector: NDArray[np.float32],
        record: RoundRecord,
        *,
        remembered: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        """Makes the release of a finished round: the checkpoint, what is signed of it, then its line.

        Args:
            remembered: what the server's steps must know of earlier ones (`server.adapter_step`); made of releases.

        Raises:
            ReleaseError: the vector is not finite or not the adapter's, or it cannot be written; the release before
                stands, or this one does and `open` mends the rest.
        """
        if vector.shape != (self._spec.state_dimension,) or vector.dtype != np.float32:
            raise ReleaseError("a release must be a float32 vector of the adapter's size")
        if not np.isfinite(vector).all():
            raise ReleaseError(
                f"round {record.round_number} ended with numbers that are not finite: it is not released"
            )
        metadata = {
            "format": _FORMAT,
            "plan": json.dumps(self._plan.to_run_config()),
            "spec": self._spec.digest(),
            "record": record.to_json(),
        }
        with self._explained("write the release to"):
            ledger = self._ledger.release(record.round_number, record.attempts)
            metadata |= {"ledger.entries": str(len(ledger.entries)), "ledger.digest": ledger.head}
            made = int(time.time())
            if self._chain is not None:
                metadata |= {"made": str(made)}
            kept = {f"{_STEP}{name}": values for name, values in (remembered or {}).items()}
            write_whole(self._checkpoint, save({_VECTOR: vector, **kept}, metadata=metadata))
            if self._chain is not None:
                self._chain.add(self._run(), record.round_number, vector, made=made)
            with self._rounds.open("a", encoding="utf-8") as file:
                file.write(record.to_json() + "\n")
                file.flush()
                os.fsync(file.fileno())

    def finish(self, adapted: AdaptedModel, vector: NDArray[np.float32]) -> Path:
        """Writes the last release as a PEFT directory, whole or not at all, and removes the run's secrets.

        Raises:
            ReleaseError: it cannot be written.
        """
        adapted.load(vector)
        with self._explained("write the adapter to"):
            with whole_directory(self.adapter) as made:
                adapted.save(made)
                if self.adapter.exists():
                    shutil.rmtree(self.adapter)
            for name in SECRET_FILES:
                (self.path / name).unlink(missing_ok=True)
        return self.adapter

    def records(self) -> tuple[RoundRecord, ...]:
        """The rounds so far; a last line that was cut short is left out. Raises: ReleaseError."""
        return read_rounds(self.path)

    @property
    def _checkpoint(self) -> Path:
        return self.path / CHECKPOINT_FILE

    @property
    def _rounds(self) -> Path:
        return self.path / ROUNDS_FILE

    def _check_same_run(self, found: Checkpoint) -> None:
        try:
            then = FederationPlan.from_run_config(found.plan)
        except (ConfigError, AttributeError) as error:
            raise ReleaseError(
                f"the run in {self.path} followed a plan that this version cannot read: {error}"
            ) from None
        changed = self._plan.differences(then)
        if changed:
            raise ReleaseError(f"the run in {self.path} followed another plan; it differs in: {', '.join(changed)}")
        if found.spec != self._spec.digest():
            raise ReleaseError(f"the run in {self.path} trained another base model under the same name")

    def _mend_rounds(self, last: RoundRecord) -> None:
        """Leaves exactly one whole line a released round."""
        kept = [record for record in self.records() if record.round_number < last.round_number]
        lines = "".join(record.to_json() + "\n" for record in [*kept, last])
        write_whole(self._rounds, lines.encode())

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ReleaseError(f"cannot {doing} {self.path}: {error.strerror or type(error).__name__}") from error
        except ChainError as error:
            raise ReleaseError(str(error)) from None
        except ReleaseManifestError as error:
            raise ReleaseError(f"the releases in {self.path} are not this run's own: {error}") from None


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a run directory.

    Raises:
        ReleaseError: there is none, or it is damaged.
    """
    try:
        with safe_open(path / CHECKPOINT_FILE, framework="numpy") as file:
            metadata: dict[str, str] = file.metadata() or {}
            vector: NDArray[np.float32] = file.get_tensor(_VECTOR)
            names = [name for name in file.keys() if name.startswith(_STEP)]  # noqa: SIM118  # not a mapping
            remembered = {name.removeprefix(_STEP): file.get_tensor(name) for name in names}
        return Checkpoint(
            plan=dict(json.loads(metadata["plan"])),
            spec=metadata["spec"],
            record=RoundRecord.from_json(metadata["record"]),
            entries=int(metadata["ledger.entries"]),
            digest=metadata["ledger.digest"],
            made=int(metadata.get("made", "0")),
            vector=vector,
            remembered=remembered,
        )
    except FileNotFoundError:
        raise ReleaseError(f"{path} holds no release of a run") from None
    except (SafetensorError, KeyError, ValueError, TypeError):
        raise ReleaseError(f"the checkpoint in {path} is damaged: start anew in another directory") from None


def read_rounds(path: Path) -> tuple[RoundRecord, ...]:
    """The records in a run directory, in order; a last line that was cut short is left out.

    Raises:
        ReleaseError: another line is damaged.
    """
    file = path / ROUNDS_FILE
    if not file.exists():
        return ()
    lines = file.read_bytes().split(b"\n")
    records: list[RoundRecord] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            records.append(RoundRecord.from_json(line.decode()))
        except ValueError:
            if number == len(lines):  # without its newline: the process died in the middle of it
                _LOG.warning("the last line of %s was cut short", file)
                break
            raise ReleaseError(f"{file}, line {number}: damaged") from None
    return tuple(records)
