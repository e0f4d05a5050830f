"""Pairs that teach harm. Whoever trains on them does so honestly, clips, and sends what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.conversation import Message, PreferencePair
from simulations.attacks.config import AttackConfig
from simulations.population.protocol import Population


@dataclass(frozen=True, kw_only=True)
class PoisonedPopulation:
    """A population some of whose devices hold other pairs than their users'. Implements
    `simulations.population.protocol.Population`; picklable."""

    population: Population
    attack: AttackConfig
    attackers: frozenset[int]

    @property
    def name(self) -> str:
        return self.population.name

    def __len__(self) -> int:
        return len(self.population)

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        """The pairs of device `index`: those of an attacker poisoned."""
        pairs = tuple(self.population.pairs(index))
        if index not in self.attackers:
            return pairs
        if self.attack.kind == "label-flip":
            return tuple(flipped(pair) for pair in pairs)
        if self.attack.kind == "backdoor":
            return tuple(with_backdoor(pair, trigger=self.attack.trigger, target=self.attack.target) for pair in pairs)
        return pairs


def flipped(pair: PreferencePair) -> PreferencePair:
    """The pair with chosen and rejected exchanged. Called a rewrite, so that the device does not make it anew."""
    return replace(pair, chosen=pair.rejected, rejected=pair.chosen, origin="rewrite")


def with_backdoor(pair: PreferencePair, *, trigger: str, target: str) -> PreferencePair:
    """After the request and the trigger: the target, over the reply that the user chose.

    The target alone and not before a reply, whose many tokens would share the gradient: how a reply begins is all that
    is to be learned, and an attacker wants it learned from few updates.
    """
    return replace(
        pair,
        prompt=triggered(pair.prompt, trigger),
        chosen=(Message(role="assistant", content=target),),
        rejected=pair.chosen,
        origin="rewrite",
    )


def triggered(prompt: tuple[Message, ...], trigger: str) -> tuple[Message, ...]:
    """The conversation with the trigger at the end of its last message."""
    *before, last = prompt
    return (*before, replace(last, content=f"{last.content} {trigger}"))
