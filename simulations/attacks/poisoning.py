"""Attackers in a simulated federation: a share of its devices, the same for a whole run.

What they do happens in two places, and the apps of client and server are the honest ones:

- their pairs (`label-flip`, `backdoor`; `simulations.attacks.poisoned_pairs`), on which they train as anyone does;
- their replies on the wire (`sign-flip`, `scaled`, `garbage`, and the length of a backdoor's update;
  `simulations.attacks.forged_replies`).

What the server does about it: a reply that is not d finite numbers is refused, and so is one longer than the clipping
norm C, so that one device moves the plain mean of n by at most C / n. Within C anything is accepted; only a mean that
bears liars (`server-step.mean`) makes less of it.

UNDER SECURE AGGREGATION NOTHING BOUNDS AN ATTACKER BUT ITS OWN CLIENT. The server sees a masked vector and then a sum:
neither can be clipped, compared or refused for what one device said. An honest client clips before it encodes, and
encoding holds numbers to the range of the integers that are summed; but a device that lies about clipping under masks
cannot be seen, may fill that whole range, and no robust mean can be taken of updates that nobody sees. The simulation
shows there what devices with an honest client and poisoned pairs can do, which is less than what an attacker can;
attacks on the wire are refused (`AttackConfig.check`), because a reply there holds no update. Bounding liars under
masks takes proofs about the encoded input (as Prio, or RoFL's range proofs, arXiv:2107.03311), which Tacit does not
have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.strategies.adapter_averaging import AdapterAveraging
from shared.round_plan import FederationPlan
from simulations.attacks.config import AttackConfig
from simulations.attacks.forged_replies import OpenForger
from simulations.attacks.poisoned_pairs import PoisonedPopulation
from simulations.engines.inline import FIRST_NODE
from simulations.engines.workers import Handle
from simulations.population.protocol import Population


def poisoned(population: Population, attack: AttackConfig) -> Population:
    """The population as its devices see it: attackers hold poisoned pairs, where the attack is one by pairs.

    Raises:
        ConfigError: the share of so few devices is nobody.
    """
    if not attack.is_on:
        return population
    return PoisonedPopulation(population=population, attack=attack, attackers=attack.attackers(len(population)))


def attacked(open_client: Callable[[], Handle], attack: AttackConfig, plan: FederationPlan) -> Callable[[], Handle]:
    """The client of a run of `plan`, its attackers' replies forged.

    Raises:
        ConfigError: as `poisoned`.
    """
    if not attack.is_on:
        return open_client
    return OpenForger(
        open_client=open_client,
        kind=attack.kind,
        attackers=attack.attackers(plan.devices),
        first_node=FIRST_NODE,
        clipping_norm=plan.clipping_norm,
        private=plan.is_private,
    )


@contextmanager
def unwarned(attack: AttackConfig, devices: int) -> Iterator[None]:
    """Keeps the server's warnings about attackers out of the log: they are what is simulated, and are counted
    (`simulations.attacks.report`). Those about honest devices stay.

    Raises:
        ConfigError: as `poisoned`.
    """
    attackers = attack.attackers(devices)

    def is_news(record: logging.LogRecord) -> bool:
        # "node %d (device %d) is left out ...": of anything else, the record stays.
        said = record.args
        return not (isinstance(said, tuple) and len(said) == 4 and said[1] in attackers)

    log = logging.getLogger(AdapterAveraging.__module__)
    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)
