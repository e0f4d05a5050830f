"""From observations to statements: what speaks for a taste and against it, the newer the heavier.

An observation's weight halves every `half_life_days`, counted back from the newest one, so that a taste that has
changed is overtaken by the new one and an old one fades. Confidence is `for / (for + against + 1)`: a single fresh
observation gives 0.5, two that agree 0.67, and one against one is stated by neither.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from client.persona.axes import Axis, read_taste
from client.persona.statements import Observation, Persona, Statement, in_order


@dataclass(frozen=True, kw_only=True)
class Merging:
    """Attributes:
    half_life_days: of an observation's weight.
    minimum_confidence: below it nothing is stated.
    doubt: the weight that every confidence is doubted with.
    """

    half_life_days: float = 90.0
    minimum_confidence: float = 0.34
    doubt: float = 1.0

    def __post_init__(self) -> None:
        if not self.half_life_days > 0 or not 0 <= self.minimum_confidence <= 1 or not self.doubt > 0:
            raise ValueError("half_life_days and doubt must be above 0, and minimum_confidence between 0 and 1")


def merge(observations: Sequence[Observation], merging: Merging | None = None) -> Persona:
    """The statements that observations come to. The order of observations does not matter.

    Observations about one axis compete by pole, and the winning pole is stated in the words in which it was last
    observed. Others are open preferences: those that differ in case, width or punctuation only are one.
    """
    settings = merging or Merging()
    newest = max((found.evidence.date for found in observations if found.evidence.date is not None), default=None)
    by_taste: dict[Axis, dict[str, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    open_ones: dict[str, list[Observation]] = defaultdict(list)
    for one in sorted(observations, key=_by_date):
        taste = read_taste(one.text)
        if taste is None:
            open_ones[folded(one.text)].append(one)
        else:
            by_taste[taste.axis][taste.pole].append(one)
    statements = []
    for poles in by_taste.values():
        weights = {pole: sum(_weight(one, newest, settings) for one in found) for pole, found in poles.items()}
        best = max(weights, key=lambda pole: (weights[pole], pole))
        statements.append(_state(poles[best], weights[best], sum(weights.values()) - weights[best], settings))
    statements += [
        _state(found, sum(_weight(one, newest, settings) for one in found), 0.0, settings)
        for found in open_ones.values()
    ]
    return Persona(statements=in_order([one for one in statements if one.confidence >= settings.minimum_confidence]))


def _state(found: Sequence[Observation], support: float, against: float, settings: Merging) -> Statement:
    return Statement(
        text=found[-1].text,
        evidence=tuple(one.evidence for one in found),
        confidence=support / (support + against + settings.doubt),
    )


def _weight(observation: Observation, newest: datetime | None, settings: Merging) -> float:
    date = observation.evidence.date
    if date is None or newest is None:
        return 1.0
    return float(0.5 ** ((newest - date).total_seconds() / 86_400 / settings.half_life_days))


def _by_date(observation: Observation) -> tuple[bool, float, str, int, str]:
    evidence = observation.evidence
    stamp = evidence.date.timestamp() if evidence.date is not None else 0.0
    # What has no date counts as oldest: it must not overtake what is known to be recent.
    return evidence.date is not None, stamp, evidence.conversation_id, evidence.turn, observation.text


def folded(text: str) -> str:
    """The text without what does not make another statement of it: case, width, punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(sign if sign.isalnum() else " " for sign in plain).split()) or plain
