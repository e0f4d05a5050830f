"""Audits by name. Each is a module with a function `audit` of the type `Audit`, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal, cast

from shared.flat_config import ConfigError
from simulations.audits.audited_run import AuditedRun
from simulations.audits.result import AuditResult

Progress = Callable[[float, str], None]
"""Called with the share that is done, from 0 to 1, and a note."""


@dataclass(frozen=True, kw_only=True)
class AuditSizes:
    """How much the attacks have to work with. `audit.json` holds it beside each audit: other sizes are other settings.

    Attributes:
        form: what the sizes are called, together.
        membership_pairs: of members, and of strangers, that are scored.
        inversion_victims, inversion_others: devices whose updates are attacked, and those that they are told from.
        matched_victims: of them, whose texts are sought by gradient matching.
        matching_steps, blind_steps: of the descent over distributions, in a known frame and blind.
        matching_words: to choose from in a known frame.
        matching_sweeps, matching_starts: over its tokens.
        persona_secrets: of each kind: told in replies, in personas alone, and held out.
        persona_lures: secrets that nobody has, among which each is ranked.
        persona_samples: replies to each question for a secret, beside the greedy one.
        persona_updates: devices' updates in a shadow run, about, and `persona_cohort` of a round at most.
    """

    form: Literal["full", "small"] = "full"
    membership_pairs: int = 1000
    inversion_victims: int = 12
    inversion_others: int = 99
    matched_victims: int = 2
    matching_steps: int = 20
    blind_steps: int = 100
    matching_words: int = 64
    matching_sweeps: int = 2
    matching_starts: int = 3
    persona_secrets: int = 8
    persona_lures: int = 63
    persona_samples: int = 4
    persona_updates: int = 300
    persona_cohort: int = 24


SMALL = AuditSizes(
    form="small", membership_pairs=80, inversion_victims=3, inversion_others=20, matched_victims=1, matching_steps=5,
    blind_steps=10, matching_words=16, matching_sweeps=1, matching_starts=1, persona_secrets=3, persona_lures=7,
    persona_samples=1, persona_updates=24, persona_cohort=4,
)  # fmt: skip
"""The small form: that every attack runs and its control is found, in a tenth of the time. It finds less."""


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """What a person may choose.

    Attributes:
        canaries: how many; None lets each audit take its own number.
        seed: of everything that an audit draws.
        sizes: of the attacks that read what was learned.
    """

    canaries: int | None = None
    seed: int = 0
    sizes: AuditSizes = field(default_factory=AuditSizes)


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
