"""A run's directory as the researcher's side sees it: what it is, who may write to it, and what came of it.

    config.toml    the resolved configuration, written before anything else
    summary.json   the figures, written last: a run that has one is finished
    audit.json     what audits of the finished run found (`simulations.audits`)
    baselines.json what it is compared with, measured beside it (`simulations.baselines`)
    report.html    all of it to read, with plots/ (`simulations.report`)
    folds/         federations of a cross-validation, while they are needed
    memory/        what the base model answered while pairs were made, until the run is finished
    by_round/      adapters of rounds that are to be measured, until they are

The rounds, the releases and the adapter are `server.releases`'s.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from server.ledger import LEDGER_FILE, count_charges
from server.release_chain import RELEASES_DIRECTORY
from server.releases import ADAPTER_DIRECTORY, CHECKPOINT_FILE, ROUNDS_FILE, SECRET_FILES, ReleaseError
from server.run_summary import SUMMARY_FILE, read_summary
from server.whole_files import TEMPORARY_PREFIX, write_whole
from shared.command_line import read_toml
from simulations.engines.devices import SECRET_FILE, STATE_DIRECTORY
from simulations.population.made import PAIRS_FILE, STAGES_FILE
from simulations.run.by_round import KEPT_DIRECTORY, ROUNDS_UTILITY_FILE
from simulations.run.config import RunConfig

AUDIT_FILE, BASELINES_FILE, REPORT_FILE = "audit.json", "baselines.json", "report.html"
BASELINES_DIRECTORY = "baselines"
_CONFIG, _FOLDS, _MEMORY, _LOCK = "config.toml", "folds", "memory", ".lock"
# The checkpoint before what it is of: without it, the other files are of no release.
_RESULTS = (
    AUDIT_FILE,
    BASELINES_FILE,
    BASELINES_DIRECTORY,
    SUMMARY_FILE,
    CHECKPOINT_FILE,
    ROUNDS_FILE,
    ADAPTER_DIRECTORY,
    RELEASES_DIRECTORY,
    LEDGER_FILE,
    SECRET_FILE,
    STATE_DIRECTORY,
    *SECRET_FILES,
    _FOLDS,
    PAIRS_FILE,
    STAGES_FILE,
    KEPT_DIRECTORY,
    ROUNDS_UTILITY_FILE,
    REPORT_FILE,
)


class RunFiles:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def folds(self) -> Path:
        """Directory of the federations of a cross-validation."""
        return self.path / _FOLDS

    @property
    def memory(self) -> Path:
        """Directory of `simulations.rlhi.memory`."""
        return self.path / _MEMORY

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the directory and keeps other processes out of it. Raises: ReleaseError: another is in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / _LOCK)
            lock.acquire(timeout=0)
        except Timeout:
            raise ReleaseError(f"another process is running in {self.path}") from None
        except OSError as error:
            raise ReleaseError(f"cannot use {self.path}: {error.strerror or type(error).__name__}") from None
        try:
            yield
        finally:
            lock.release()

    def check_new(self, *, overwrite: bool) -> None:
        """Whether a new run may begin here. Writes nothing.

        Raises:
            ReleaseError: a run with results stands here and `overwrite` is off, or its releases cannot be unmade, or
                the directory holds something else.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise ReleaseError(f"{self.path} is not a directory")
        if not (self.path / _CONFIG).exists():
            strangers = [item for item in self.path.iterdir() if not item.name.startswith((_LOCK, TEMPORARY_PREFIX))]
            if strangers:
                raise ReleaseError(f"{self.path} is not empty and holds no run: name another directory")
            return
        stands = read_toml(self.path / _CONFIG)
        # The embedded world's people are made up: nothing of theirs is told twice.
        real = stands.get("data.source", "embedded") != "embedded"
        if real and stands.get("privacy.unit", "none") != "none" and count_charges(self.path) > 0:
            raise ReleaseError(
                f"{self.path} holds a private run, and what its devices have answered cannot be unmade: --resume goes "
                "on with it, or name another directory"
            )
        if self._has_results() and not overwrite:
            raise ReleaseError(
                f"{self.path} holds a run already: --resume goes on with it, --overwrite starts it anew, another --out "
                "leaves it alone"
            )

    def begin(self, config: RunConfig, *, command: str, overwrite: bool) -> None:
        """Claims the directory for a new run. Raises: as `check_new`."""
        self.check_new(overwrite=overwrite)
        # By name: nothing that a person may have put beside a run is deleted.
        for name in (*_RESULTS, _CONFIG):
            item = self.path / name
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink(missing_ok=True)
        first = " ".join(command.split())  # a comment is one line
        write_whole(self.path / _CONFIG, f"# {first}\n\n{config.to_toml()}".encode())

    def check_resumable(self) -> None:
        """Raises: ReleaseError: no run stands here."""
        if not (self.path / _CONFIG).is_file():
            raise ReleaseError(f"{self.path} holds no run to resume")

    def read_config(self) -> RunConfig:
        """The run that stands here. Raises: ConfigError: it is damaged."""
        return RunConfig.from_flat(read_toml(self.path / _CONFIG))

    def read_command(self) -> str:
        """What the run was begun with."""
        first = (self.path / _CONFIG).read_text(encoding="utf-8").partition("\n")[0]
        return first.removeprefix("#").strip()

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """Writes `summary.json`, and removes what only an unfinished run needs.

        The secret of a private run's devices is among it: it would take the noise off again.
        """
        text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.path / SUMMARY_FILE, (text + "\n").encode())
        for directory in (self.folds, self.memory, self.path / KEPT_DIRECTORY, self.path / STATE_DIRECTORY):
            shutil.rmtree(directory, ignore_errors=True)
        (self.path / SECRET_FILE).unlink(missing_ok=True)

    def read_summary(self) -> dict[str, object] | None:
        """The figures of a finished run; None of any other. Raises: ReleaseError: damaged."""
        return read_summary(self.path)

    def _has_results(self) -> bool:
        return (self.path / SUMMARY_FILE).exists() or (self.path / CHECKPOINT_FILE).exists()
