"""`audit.json` in a run's directory: every audit's results, and with which settings and code they were found.

An audit says something about the code that it ran. Results of other settings, of another release of the run or of other
code are not taken for finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import cast

from server.releases import CHECKPOINT_FILE, ReleaseError
from server.run_summary import SUMMARY_FILE
from server.whole_files import write_whole
from simulations.audits.registry import AUDITS, AuditSettings
from simulations.audits.result import AuditResult
from simulations.run.directory import AUDIT_FILE
from simulations.run.summary import git_commit

_PACKAGES = ("client", "server", "shared", "simulations")
_PROJECT = Path(__file__).resolve().parents[2]


class AuditFile:
    """The file of one run. Every change is written whole at once: a killed audit leaves what was finished."""

    def __init__(self, run_directory: Path, *, command: str, settings: AuditSettings) -> None:
        """Raises: ReleaseError: the file that is there is damaged."""
        self._path = run_directory / AUDIT_FILE
        self._command = command
        self._seed = settings.seed
        self._settings = {**asdict(settings), "run": _digest_of_run(run_directory), "code": _digest_of_code()}
        self._finished: dict[str, dict[str, object]] = {}
        self.results: list[AuditResult] = []
        if self._path.exists():
            self._read()

    def is_finished(self, name: str) -> bool:
        """Whether an audit was run with these settings, on this run, by this code."""
        done = self._finished.get(name)
        return done is not None and done["settings"] == self._settings

    def not_applicable(self, name: str) -> str | None:
        """Why a finished audit had nothing to do."""
        return cast("str | None", self._finished[name]["not_applicable"])

    def add(self, name: str, results: Sequence[AuditResult], *, not_applicable: str | None = None) -> None:
        """Puts an audit's results in the place of its earlier ones, and writes the file."""
        kept = [result for result in self.results if result.name != name]
        order = list(AUDITS)
        self.results = sorted(
            [*kept, *results], key=lambda result: order.index(result.name) if result.name in order else len(order)
        )
        self._finished[name] = {"settings": self._settings, "not_applicable": not_applicable}
        said = {
            "tacit_version": version("tacit"),
            "git_commit": git_commit(),
            "command": self._command,
            "seed": self._seed,
            "finished": self._finished,
            "results": [result.to_json() for result in self.results],
        }
        write_whole(self._path, (json.dumps(said, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())

    def _read(self) -> None:
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
            self.results = [AuditResult.from_json(one) for one in said["results"]]
            self._finished = dict(said["finished"])
            known = all({"settings", "not_applicable"} == set(one) for one in self._finished.values())
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise ReleaseError(f"{self._path} is damaged: remove it, and audit again")


def read_audit(run_directory: Path) -> Mapping[str, object] | None:
    """The file's values; None where there is none. Raises: ReleaseError: damaged."""
    path = run_directory / AUDIT_FILE
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise ReleaseError(f"{path} is damaged: remove it, and audit again")
    return said


def _digest_of_run(directory: Path) -> str:
    digest = hashlib.sha256()
    for name in (SUMMARY_FILE, CHECKPOINT_FILE):
        digest.update(hashlib.sha256((directory / name).read_bytes()).digest())
    return digest.hexdigest()


def _digest_of_code() -> str:
    """A commit would not do: what was changed since is what an audit is for."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_PROJECT / package).rglob("*.py")):
            digest.update(str(path.relative_to(_PROJECT)).encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
