"""Audits by name. Each is a module with a function `audit` of the type `Audit`, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from shared.flat_config import ConfigError
from simulations.audits.audited_run import AuditedRun
from simulations.audits.result import AuditResult

Progress = Callable[[float, str], None]
"""Called with the share that is done, from 0 to 1, and a note."""


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What a person may choose.

    Attributes:
        canaries: how many; None lets each audit take its own number.
        seed: of everything that an audit draws.
    """

    canaries: int | None = None
    seed: int = 0


class NotApplicableError(Exception):
    """There is nothing for this audit in this run. The message says why."""


Audit = Callable[[AuditedRun, AuditSettings, Progress], Sequence[AuditResult]]

AUDITS: Mapping[str, str] = {
    "canaries": "simulations.audits.canaries",
    "one-run": "simulations.audits.one_run",
    "membership": "simulations.audits.membership",
    "inversion": "simulations.audits.inversion",
    "persona": "simulations.audits.persona_exposure",
    "transcript": "simulations.audits.transcript",
}


def names_of(said: str | None) -> Sequence[str]:
    """The audits that a comma-separated list names, in the order of the registry; all without one.

    Raises:
        ConfigError: there is no such audit.
    """
    if said is None:
        return tuple(AUDITS)
    wanted = {name.strip() for name in said.split(",")}
    unknown = sorted(wanted - set(AUDITS))
    if unknown:
        raise ConfigError(f"there is no audit {unknown[0]!r}: there are {', '.join(AUDITS)}")
    return tuple(name for name in AUDITS if name in wanted)


def audit_of(name: str) -> Audit:
    """The audit with a name of the registry."""
    return cast(Audit, import_module(AUDITS[name]).audit)
