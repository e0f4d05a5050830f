"""What a run promises about privacy: the one place where an ε becomes text.

There is no guarantee but one that an accountant returned; a run without privacy has `None`. A guarantee about one user
and one about one pair are two values, and are never added up or exchanged.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

Unit = Literal["pair", "user"]
Neighbouring = Literal["zero-out"]

_UNIT_WORDS: dict[Unit, str] = {"pair": "one preference pair", "user": "one user (all of a device's data)"}
_RELATION_WORDS: dict[Neighbouring, str] = {
    "zero-out": "its content replaced by nothing while its presence stays known",
}
NO_AMPLIFICATION = "no amplification claimed"


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """(ε, δ)-differential privacy of one unit, against two observers.

    Attributes:
        unit: what is protected.
        epsilon_server: against everyone who may know who took part when; the server among them only if it is not
            trusted.
        epsilon_model_observer: against whoever sees released models only; never larger.
        delta: δ, of both.
        server_is_trusted: whether the server itself sees more than this covers (it adds the noise).
        amplification: what the second figure counts on, or that it counts on nothing.
        mechanism: what adds the noise, with its parameters.
        accountant: what computed each ε.
        neighbouring: the relation between two data sets that the unit tells apart.
        assumptions: what must hold for the figures to, and what they do not cover.
        promises: what a device takes on the server's word.
    """

    unit: Unit
    epsilon_server: float
    epsilon_model_observer: float
    delta: float
    server_is_trusted: bool
    amplification: str = NO_AMPLIFICATION
    mechanism: str
    accountant: str
    neighbouring: Neighbouring
    assumptions: tuple[str, ...]
    promises: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        finite = math.isfinite(self.epsilon_server)
        if not finite or not 0 <= self.epsilon_model_observer <= self.epsilon_server or not 0 < self.delta < 1:
            raise ValueError("a guarantee needs 0 <= epsilon_model_observer <= epsilon_server < inf and 0 < delta < 1")
        if self.amplification == NO_AMPLIFICATION and self.epsilon_model_observer != self.epsilon_server:
            raise ValueError("without amplification both observers have one figure")

    def sentence(self) -> str:
        """The guarantee in one sentence: unit, both observers, relation, δ, accountant, assumptions and promises."""
        everyone = (
            "everyone but the server, which sees each update and is trusted,"
            if self.server_is_trusted
            else "the server and everyone else"
        )
        models = (
            f"; the same against whoever sees only released models ({self.amplification})"
            if self.amplification == NO_AMPLIFICATION
            else f"; ε = {format_epsilon(self.epsilon_model_observer)} against whoever sees only released models "
            f"({self.amplification})"
        )
        said = "; ".join(self.assumptions)
        if self.promises:
            said += f"; taken on the server's word: {'; '.join(self.promises)}"
        epsilon, delta = format_epsilon(self.epsilon_server), format_delta(self.delta)
        return (
            f"{_UNIT_WORDS[self.unit].capitalize()}, {_RELATION_WORDS[self.neighbouring]}, is protected with "
            f"ε = {epsilon} at δ = {delta} against {everyone} even if it is known who took part when{models} "
            f"({self.mechanism}; {self.accountant}). {said[:1].upper()}{said[1:]}."
        )

    def as_json(self) -> dict[str, object]:
        """Plain values for `summary.json`, under the names of the attributes, and the sentence."""
        return {
            **asdict(self),
            "assumptions": list(self.assumptions),
            "promises": list(self.promises),
            "sentence": self.sentence(),
        }


def format_epsilon(epsilon: float) -> str:
    """ε with two decimals, rounded up: a promise is not rounded in its own favour."""
    if not math.isfinite(epsilon):
        return "∞"
    return f"{math.ceil(epsilon * 100 - 1e-9) / 100:.2f}"


def format_lower_bound(epsilon: float) -> str:
    """A bound that an audit found, with two decimals, rounded down: it is not rounded in the attacker's favour."""
    if math.isinf(epsilon):
        return "∞"
    return f"{math.floor(epsilon * 100 + 1e-9) / 100:.2f}"


def format_delta(delta: float) -> str:
    """δ with two digits, rounded up."""
    exponent = math.floor(math.log10(delta))
    digits = math.ceil(delta / 10.0**exponent * 10 - 1e-9)
    return f"{digits / 10:.1f}e{exponent:d}" if digits < 100 else f"1.0e{exponent + 1:d}"
