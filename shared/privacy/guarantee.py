"""What a run promises about privacy: the one place where an ε becomes text.

There is no guarantee but one that an accountant returned; a run without privacy has `None`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Unit = Literal["pair", "user"]
_UNIT_WORDS: dict[str, str] = {"pair": "one preference pair", "user": "one user's whole contribution"}
_RELATION_WORDS: dict[str, str] = {"add-or-remove-one": "added or removed", "zero-out": "replaced by nothing"}


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """(ε, δ)-differential privacy of one unit, against two observers.

    Attributes:
        unit: what is protected.
        epsilon_server: against the server and everyone else who sees single messages or learns who took part.
        epsilon_model_observer: against whoever sees released models only; never larger.
        delta: δ, of both.
        mechanism: what adds the noise, with its parameters.
        accountant: what computed ε.
        neighbouring: the relation between two data sets that the unit tells apart.
        assumptions: what must hold for the figures to, and what they do not cover.
    """

    unit: Unit
    epsilon_server: float
    epsilon_model_observer: float
    delta: float
    mechanism: str
    accountant: str
    neighbouring: Literal["add-or-remove-one", "zero-out"]
    assumptions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon_model_observer <= self.epsilon_server or not 0 < self.delta < 1:
            raise ValueError("a guarantee needs 0 <= epsilon_model_observer <= epsilon_server and 0 < delta < 1")

    def sentence(self) -> str:
        """The guarantee in one sentence, with both observers and every assumption."""
        server, model = format_epsilon(self.epsilon_server), format_epsilon(self.epsilon_model_observer)
        observers = (
            f"ε = {server} against the server and everyone else"
            if server == model
            else f"ε = {server} against the server and everyone else and ε = {model} against whoever sees models only"
        )
        return (
            f"{_UNIT_WORDS[self.unit].capitalize()} is protected with {observers}, at δ = {self.delta:.1e}, "
            f"{_RELATION_WORDS[self.neighbouring]} ({self.mechanism}; {self.accountant}); "
            f"{'; '.join(self.assumptions)}."
        )

    def as_json(self) -> dict[str, object]:
        """Plain values for `summary.json`, under the names of the attributes."""
        return {**asdict(self), "assumptions": list(self.assumptions)}


def format_epsilon(epsilon: float) -> str:
    """ε with two decimals, rounded up: a promise is not rounded in its own favour."""
    hundredths = -int(-epsilon * 100 // 1)
    return f"{hundredths / 100:.2f}"
