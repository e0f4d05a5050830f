"""The world's own rule as a reward: circular, since it also scores the result. There to compare other rewards with."""

from __future__ import annotations

from collections.abc import Sequence

from client.rewards import Ranked
from simulations.population.embedded.parser import read_reply
from simulations.population.embedded.personas import read_persona


class WorldReward:
    """On how many of the axes that the persona states a reply is as stated; 0 for one that makes no sense.

    Without a persona, whether it makes sense.
    """

    name = "world"

    def score(self, cases: Sequence[Ranked]) -> list[tuple[float, ...]]:
        return [tuple(_score(reply, case) for reply in case.candidates) for case in cases]


def _score(reply: str, case: Ranked) -> float:
    reading = read_reply(reply, case.prompt[-1].content)
    if not reading.coherent:
        return 0.0
    wanted = read_persona(case.persona or "")
    return 1.0 + sum(reading.poles[axis] == pole for axis, pole in wanted.items())
