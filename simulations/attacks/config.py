"""`[attack]` of a run's configuration: which devices of a simulated federation mean harm, and how."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, get_args

from shared.flat_config import require

AttackKind = Literal["none", "label-flip", "sign-flip", "scaled", "garbage", "backdoor"]
ATTACKS: tuple[AttackKind, ...] = get_args(AttackKind)
# Those that are nothing but a rewritten reply: where masks leave no update in it, they are nothing at all.
_ON_THE_WIRE: tuple[AttackKind, ...] = ("sign-flip", "scaled", "garbage")


@dataclass(frozen=True, kw_only=True)
class AttackConfig:
    """What `simulations.attacks.poisoning` makes of a federation. No device and no server is told: it is not in a plan.

    Attributes:
        kind: "none"; "label-flip" (pairs with chosen and rejected exchanged); "sign-flip" (the negative of the honest
            update, as long as the server accepts); "scaled" (the honest update times 100); "garbage" (NaN, infinity, or
            another number of numbers); "backdoor" (pairs that teach to begin a reply with `target` where the request
            ends with `trigger`, and updates as long as the server accepts).
        share: of the devices, which attack in every round that they are asked in.
        seed: of which devices attack; the same for a whole run.
        trigger, target: of the backdoor. By default sentences that the embedded world's base model knows: a user's
            aside, which no user says in a request, and the end of some replies, with which none begins.
    """

    kind: AttackKind = "none"
    share: float = 0.1
    seed: int = 0
    trigger: str = "It is raining here today."
    target: str = "Please consult a professional where necessary."

    def __post_init__(self) -> None:
        require(0 < self.share < 1, "attack.share", "must be above 0 and below 1")
        require(self.seed >= 0, "attack.seed", "must not be negative")
        for name in ("trigger", "target"):
            said = getattr(self, name)
            require(bool(said) and said == said.strip(), f"attack.{name}", "must be a phrase without blanks around it")

    @property
    def is_on(self) -> bool:
        """Whether anybody attacks."""
        return self.kind != "none"

    def attackers(self, devices: int) -> frozenset[int]:
        """Numbers of the devices that attack, of so many.

        Raises:
            ConfigError: the share of so few is nobody.
        """
        if not self.is_on:
            return frozenset()
        count = round(self.share * devices)
        require(count >= 1, "attack.share", f"of {devices} devices is nobody: raise it, or data.users")
        return frozenset(Random(f"tacit attackers {self.seed}").sample(range(devices), count))

    def check(self, *, source: str, engine: str, secure: bool) -> None:
        """Whether a run can be attacked so.

        Args:
            source, engine: `data.source` and `run.engine`.
            secure: whether updates are summed under masks.

        Raises:
            ConfigError: it cannot.
        """
        if not self.is_on:
            return
        require(
            source == "embedded",
            "attack.kind",
            f"goes with data.source 'embedded', where nobody is real, not with {source!r}",
        )
        require(
            engine == "inline",
            "attack.kind",
            f"goes with run.engine 'inline', where replies can be rewritten on their way, not with {engine!r}",
        )
        require(
            not secure or self.kind not in _ON_THE_WIRE,
            "attack.kind",
            f"{self.kind!r} rewrites what a reply holds, and with federation.aggregation 'secure' that is no update: a "
            "device there lies before it masks, which is not simulated, and which no server can see. Take 'label-flip' "
            "or 'backdoor', which work by a device's pairs, or federation.aggregation 'plain'",
        )
