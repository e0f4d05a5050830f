"""A run's directory as the researcher's side sees it: what it is, who may write to it, and what came of it.

    config.toml    the resolved configuration, written before anything else
    summary.json   the figures, written last: a run that has one is finished
    folds/         federations of a cross-validation, while they are needed

The rounds, the releases and the adapter are `server.releases`'s.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from server.releases import ReleaseError
from server.whole_files import write_whole
from shared.command_line import read_toml
from simulations.run.config import RunConfig

_CONFIG, _SUMMARY, _FOLDS, _LOCK = "config.toml", "summary.json", "folds", ".lock"
_OTHERS = ("rounds.jsonl", "checkpoint.safetensors", "adapter")
# What only a private run has: its releases cannot be unmade.
_SECRET = "simulated-devices.key"  # noqa: S105


class RunFiles:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def folds(self) -> Path:
        """Directory of the federations of a cross-validation."""
        return self.path / _FOLDS

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

    def begin(self, config: RunConfig, *, overwrite: bool) -> None:
        """Claims the directory for a new run.

        Raises:
            ReleaseError: a run stands here and `overwrite` is off, or it is a private one, or the directory holds
                something else.
        """
        if (self.path / _CONFIG).exists():
            if not overwrite and self._has_results():
                raise ReleaseError(
                    f"{self.path} holds a run already: --resume goes on with it, --overwrite starts it anew, "
                    "another --out leaves it alone"
                )
            if (self.path / _SECRET).exists() and self._has_results():
                raise ReleaseError(
                    f"{self.path} holds a private run, whose releases cannot be unmade: name another directory"
                )
            self._remove()
        else:
            strangers = sorted(item.name for item in self.path.iterdir() if item.name != _LOCK)
            if strangers:
                raise ReleaseError(f"{self.path} is not empty and holds no run: name another directory")
        self.write_config(config)

    def write_config(self, config: RunConfig) -> None:
        """Replaces `config.toml`."""
        write_whole(self.path / _CONFIG, config.to_toml().encode())

    def read_config(self) -> dict[str, object]:
        """The keys of the run that stands here. Raises: ReleaseError: none does; ConfigError: it is damaged."""
        file = self.path / _CONFIG
        if not file.exists():
            raise ReleaseError(f"{self.path} holds no run to resume")
        return read_toml(file)

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """Writes `summary.json`, and removes what only an unfinished run needs."""
        text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.path / _SUMMARY, (text + "\n").encode())
        shutil.rmtree(self.folds, ignore_errors=True)

    def read_summary(self) -> dict[str, object] | None:
        """The figures of a finished run; None of any other. Raises: ReleaseError: damaged."""
        file = self.path / _SUMMARY
        if not file.exists():
            return None
        try:
            summary = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise ReleaseError(f"{file} is damaged") from None
        if not isinstance(summary, dict):
            raise ReleaseError(f"{file} is damaged")
        return summary

    def _has_results(self) -> bool:
        return (self.path / _SUMMARY).exists() or (self.path / "checkpoint.safetensors").exists()

    def _remove(self) -> None:
        # By name: nothing that a person may have put beside a run is deleted.
        (self.path / _SUMMARY).unlink(missing_ok=True)
        for name in (*_OTHERS, _FOLDS):
            item = self.path / name
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink(missing_ok=True)
        (self.path / _CONFIG).unlink()
