"""What an audit found: one measurement against one claim, with everything that a reader needs to judge it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

from shared.privacy.guarantee import Unit

Figure = float | int | str | bool | None | list["Figure"] | dict[str, "Figure"]
Verdict = Literal["holds", "violated", "measured"]


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """Attributes:
    name: of the audit: "canaries", "one-run", "membership", "inversion", "persona", "transcript".
    unit: of privacy; None where no ε is measured.
    observer: the threat model in a sentence: who sees what.
    claim: ε that is claimed of this unit against this observer; None where nothing is.
    delta: δ of the claim and of the bound.
    lower_bound: no ε below it is consistent with what was seen, at `confidence`; None where there is none.
    estimate: the most likely ε; it says nothing with confidence.
    confidence: that the bound is right, over everything that was tested for it together.
    canaries: how many there were; None where there were none.
    verdict: "violated" if a bound is above its claim, or something was seen that must not be; "measured" where nothing
        was claimed that could be broken.
    figures: numbers, with their intervals and ceilings.
    method: estimator and source.
    limits: what it cannot show.
    """

    name: str
    unit: Unit | None
    observer: str
    claim: float | None
    delta: float | None
    lower_bound: float | None
    estimate: float | None
    confidence: float | None
    canaries: int | None
    verdict: Verdict
    figures: Mapping[str, Figure]
    method: str
    limits: str

    def __post_init__(self) -> None:
        for value in (self.claim, self.lower_bound, self.estimate):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError("an ε of an audit must be finite and not negative")
        if self.breaks_claim and self.verdict != "violated":
            raise ValueError("a bound above its claim is a violation")

    @property
    def breaks_claim(self) -> bool:
        """Whether the bound is above the claim."""
        return self.claim is not None and self.lower_bound is not None and self.lower_bound > self.claim

    def to_json(self) -> dict[str, object]:
        """As in `audit.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, object]) -> AuditResult:
        """What `to_json` made. Raises: ValueError: it is something else."""
        if set(said) != {item.name for item in fields(cls)}:
            raise ValueError("not an audit's result")
        try:
            return cls(**said)  # type: ignore[arg-type]
        except TypeError:
            raise ValueError("not an audit's result") from None
