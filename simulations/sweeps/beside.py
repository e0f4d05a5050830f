"""What is measured beside a sweep's runs: audits of each cell and rows to compare with, side by side in processes.

Workers measure and this process writes, so that several may be at work beside one run. What is finished stands: in
`audit.json` and `baselines.json`, written after every part.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from shared.command_line import quiet_libraries
from shared.flat_config import ConfigError
from simulations.audits.audit_file import AuditFile
from simulations.audits.audited_run import AuditedRun
from simulations.audits.registry import AuditSettings
from simulations.audits.run_audits import AuditOutcome, audited, run_audit
from simulations.baselines.rows_file import Budget, Name, Row, RowsFile, figures_of
from simulations.engines.workers import WorkerPool
from simulations.run.directory import RunFiles
from simulations.run.progress import RunProgress
from simulations.run.side_by_side import end_with_parent

# The longest first: what is begun last decides how long a core idles at the end.
_ROWS: tuple[Name, ...] = ("feddpo", "central-dpo", "central-sft", "local-only", "base", "ours")
_OURS = frozenset({"client", "server", "shared", "simulations"})
_AUDITS = ("persona", "canaries", "inversion", "membership", "one-run", "transcript")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be measured.

    Attributes:
        runs: cell → directory of the run that is audited.
        audits: names of the registry.
        settings: of audits.
        ceiling: directory of the run beside which all rows are measured; None is without rows.
        budget: of rows.
        processes: parts at a time, one thread each.
        command: that asked for it.
    """

    runs: Mapping[str, Path] = field(default_factory=dict)
    audits: Sequence[str] = ()
    settings: AuditSettings = field(default_factory=AuditSettings)
    ceiling: Path | None = None
    budget: Budget = field(default_factory=Budget)
    processes: int
    command: str


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Attributes:
    broken: cells with a claim that does not hold.
    failed: parts that could not be measured, each with why.
    """

    broken: Sequence[str]
    failed: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class AuditPart:
    """One audit of one run."""

    cell: str
    directory: Path
    name: str
    settings: AuditSettings

    @property
    def title(self) -> str:
        """For those who wait."""
        return f"{self.cell}: {self.name}"

    def measure(self) -> AuditOutcome:
        """Raises: what the audit raises."""
        return run_audit(AuditedRun(self.directory), self.name, self.settings, lambda _done, _note: None)


@dataclass(frozen=True, kw_only=True)
class RowPart:
    """One row beside one run."""

    directory: Path
    name: Name
    budget: Budget

    @property
    def title(self) -> str:
        """For those who wait."""
        return f"baselines: {self.name}"

    def measure(self) -> Row:
        """Raises: what rows raise."""
        from simulations.baselines.rows import RowMaker  # TRL takes seconds to import

        with RunProgress(Console(quiet=True)) as quiet:
            return RowMaker(self.directory, self.budget, quiet).make(self.name)


Part = AuditPart | RowPart


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Attributes:
    found: of a part.
    failure: why there is nothing.
    seconds: that it took.
    """

    found: AuditOutcome | Row | None = None
    failure: str | None = None
    seconds: float


def measure_beside(wanted: Wanted, *, shown: RunProgress) -> Beside:
    """Measures what is not finished. A part that fails leaves the others at work; Ctrl-C ends all.

    Raises:
        ConfigError: TRL is not installed, or the ceiling has no figures; ReleaseError: a run is not finished, or
            another process is in it, or its file is damaged. Before anything is measured.
    """
    if wanted.ceiling is not None:
        if find_spec("trl") is None:
            raise ConfigError("trl is not installed: pip install 'tacit[sim,bench]'")
        figures_of(wanted.ceiling)
    for path in wanted.runs.values():
        AuditedRun(path)
    with ExitStack() as stack:
        for path in {*wanted.runs.values(), *([] if wanted.ceiling is None else [wanted.ceiling])}:
            stack.enter_context(RunFiles(path).locked())
        files = {
            cell: AuditFile(path, command=wanted.command, settings=wanted.settings)
            for cell, path in wanted.runs.items()
        }
        rows = None if wanted.ceiling is None else RowsFile(wanted.ceiling, wanted.budget)
        failed: list[str] = []
        for part, measured in _side_by_side(_missing(wanted, files, rows, shown), wanted.processes, shown):
            if isinstance(part, AuditPart) and isinstance(measured.found, AuditOutcome):
                files[part.cell].add(part.name, measured.found.results, not_applicable=measured.found.not_applicable)
            elif isinstance(part, RowPart) and isinstance(measured.found, Row) and rows is not None:
                rows.add(part.name, measured.found)
            else:
                failed.append(f"{part.title}: {measured.failure}")
        broken = [
            cell
            for cell, file in files.items()
            if audited(file, [name for name in wanted.audits if file.is_finished(name)]).is_violated
        ]
    return Beside(broken=broken, failed=failed)


def open_measuring() -> Callable[[Part], Measured]:
    """Opens a worker that measures parts. An error becomes a failure, said in a line."""
    end_with_parent()
    quiet_libraries(Console(stderr=True))
    return _measure


def _measure(part: Part) -> Measured:
    began = time.perf_counter()
    found, failure = None, None
    try:
        found = part.measure()
    except Exception as error:  # whatever it is, the other parts are none the worse
        failure = _said_of(error)
    return Measured(found=found, failure=failure, seconds=time.perf_counter() - began)


def _said_of(error: Exception) -> str:
    """An error of ours holds nobody's text; where another comes from must do, for it may quote what it was given."""
    name = type(error).__name__
    if type(error).__module__.partition(".")[0] in _OURS:
        return f"{name}: {error}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name}, in {Path(last.filename).name}, line {last.lineno}"


def _missing(
    wanted: Wanted, files: Mapping[str, AuditFile], rows: RowsFile | None, shown: RunProgress
) -> Sequence[Part]:
    """What is not finished, the longest first."""
    parts: list[Part] = []
    if rows is not None and wanted.ceiling is not None:
        parts += [
            RowPart(directory=wanted.ceiling, name=name, budget=wanted.budget)
            for name in _ROWS
            if not rows.is_made(name)
        ]
    for name in sorted(wanted.audits, key=_AUDITS.index):
        for cell, path in wanted.runs.items():
            if files[cell].is_finished(name):
                shown.say(f"{cell}: {name}: finished before with these settings")
            else:
                parts.append(AuditPart(cell=cell, directory=path, name=name, settings=wanted.settings))
    return parts


def _side_by_side(parts: Sequence[Part], processes: int, shown: RunProgress) -> Iterator[tuple[Part, Measured]]:
    if not parts:
        return
    count = min(processes, len(parts))
    at_work = [part.title for part in parts[:count]]
    with (
        shown.stage(f"{len(parts)} audits and baselines, {count} side by side", total=len(parts)) as stage,
        WorkerPool(open_measuring, processes=count, have_workers=True) as pool,
    ):
        stage.advance(0, f"at work: {'; '.join(at_work)}", line=False)
        for done, (place, answer) in enumerate(pool.run(parts), start=1):
            part = parts[place]
            measured = answer or Measured(failure="its process ended, as for want of memory", seconds=0.0)
            said = f"done in {measured.seconds:.0f} s" if measured.failure is None else f"FAILED: {measured.failure}"
            at_work.remove(part.title)
            at_work += [one.title for one in parts[count + done - 1 : count + done]]  # a worker takes the next one
            note = f"{done} of {len(parts)}: {part.title}: {said}"
            if measured.failure is not None and shown.is_live:
                shown.say(note)
            stage.advance(done, note)
            yield part, measured
