"""Runs audits over a finished run, one after another; what is finished is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simulations.audits.audit_file import AuditFile
from simulations.audits.audited_run import AuditedRun
from simulations.audits.registry import AuditSettings, NotApplicableError, Progress, audit_of
from simulations.audits.result import AuditResult
from simulations.run.directory import RunFiles
from simulations.run.progress import RunProgress, Stage

_SMALL = "The small form of this audit, with less to work with (settings in audit.json): no measure of the attack. "


@dataclass(frozen=True, kw_only=True)
class AuditOutcome:
    """Attributes:
    results: of one audit.
    not_applicable: why there was nothing to do.
    """

    results: Sequence[AuditResult] = ()
    not_applicable: str | None = None


@dataclass(frozen=True, kw_only=True)
class Audited:
    """Attributes:
    results: of the audits that were asked for.
    not_applicable: name → why there was nothing to do.
    """

    results: Sequence[AuditResult]
    not_applicable: dict[str, str]

    @property
    def is_violated(self) -> bool:
        """Whether any claim is broken."""
        return any(result.verdict == "violated" for result in self.results)


def run_audits(
    path: Path,
    names: Sequence[str],
    settings: AuditSettings,
    *,
    command: str,
    overwrite: bool,
    shown: RunProgress,
) -> Audited:
    """Audits the run in a directory and writes `audit.json` there after each audit.

    Args:
        names: of the registry.
        overwrite: whether to run again what is finished.

    Raises:
        ReleaseError: no finished run stands there, or another process is in it; what the audits raise.
    """
    run = AuditedRun(path)
    with RunFiles(path).locked():
        file = AuditFile(path, command=command, settings=settings)
        for name in names:
            if file.is_finished(name) and not overwrite:
                shown.say(f"{name}: finished before with these settings")
                continue
            with shown.stage(f"audit: {name}", total=1) as stage:
                found = run_audit(run, name, settings, _progress_of(stage))
                file.add(name, found.results, not_applicable=found.not_applicable)
        return audited(file, names)


def run_audit(run: AuditedRun, name: str, settings: AuditSettings, progress: Progress) -> AuditOutcome:
    """One audit, of which nothing is written. Raises: what the audit raises, but for having nothing to do."""
    try:
        results = audit_of(name)(run, settings, progress)
    except NotApplicableError as reason:
        return AuditOutcome(not_applicable=str(reason))
    if settings.sizes.form == "small":
        results = [replace(result, limits=_SMALL + result.limits) for result in results]
    return AuditOutcome(results=tuple(results))


def audited(file: AuditFile, names: Sequence[str]) -> Audited:
    """What a file holds of audits that are all finished."""
    reasons = {name: file.not_applicable(name) for name in names}
    return Audited(
        results=tuple(result for result in file.results if result.name in names),
        not_applicable={name: reason for name, reason in reasons.items() if reason is not None},
    )


def _progress_of(stage: Stage) -> Progress:
    return lambda done, note: stage.advance(done, note, line=False)
