"""Personas of many simulated users, inferred by the base model from what they said, many conversations a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from client.persona.inference import Observed, observe
from client.persona.merging import merge
from shared.conversation import Conversation
from shared.generation import ReplyGenerator
from simulations.population.embedded.history import LoggedExchange, history, speaker
from simulations.population.embedded.personas import read_persona
from simulations.population.embedded.style import AXES
from simulations.population.embedded.users import Split, User

_AT_ONCE = 1024
_BATCH = 256


@dataclass(frozen=True, kw_only=True, repr=False)
class SimulatedUser:
    """A user of the embedded world with their log and what the device makes of them.

    Attributes:
        user: who they are, truly.
        log: their conversations and the truth behind each.
        persona: as the device states it: inferred, or the world's own; None where nothing is known.
    """

    user: User
    log: tuple[LoggedExchange, ...]
    persona: str | None

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        return tuple(entry.conversation for entry in self.log)


@dataclass(frozen=True, kw_only=True)
class PersonaAccuracy:
    """Attributes:
    users: counted.
    right, stated, revealed: axes stated as they truly are; axes stated at all; axes that the log complained about.
    axes: four a user.
    """

    users: int
    right: int
    stated: int
    revealed: int

    @property
    def axes(self) -> int:
        return len(AXES) * self.users

    def to_json(self) -> dict[str, float]:
        return {
            "users": self.users,
            "axes_right": self.right / self.axes,
            "precision": self.right / max(1, self.stated),
            "recall_of_revealed": self.right / max(1, self.revealed),
            "axes_revealed": self.revealed / self.axes,
        }


def simulated_users(
    model: ReplyGenerator | None,
    *,
    seed: int,
    split: Split,
    users: int,
    history_length: int,
    progress: Callable[[float], None] = lambda _: None,
) -> list[SimulatedUser]:
    """The first `users` users of a split, each with a persona.

    Args:
        model: infers the personas; None takes the world's own.
        progress: told the share that is done.
    """
    people = [speaker(seed, split, index) for index in range(users)]
    logs = [history(person, history_length) for person in people]
    if model is None:
        return [
            SimulatedUser(user=person, log=log, persona=person.persona)
            for person, log in zip(people, logs, strict=True)
        ]
    observed = _observe([entry.conversation for log in logs for entry in log], model, progress)
    personas = []
    for place in range(users):
        of_user = observed[place * history_length : (place + 1) * history_length]
        personas.append(merge([one for found in of_user for one in found.observations]).to_text())
    return [
        SimulatedUser(user=person, log=log, persona=persona)
        for person, log, persona in zip(people, logs, personas, strict=True)
    ]


def _observe(
    conversations: Sequence[Conversation], model: ReplyGenerator, progress: Callable[[float], None]
) -> list[Observed]:
    observed: list[Observed] = []
    for start in range(0, len(conversations), _AT_ONCE):
        observed += observe(conversations[start : start + _AT_ONCE], model, batch_size=_BATCH)
        progress(len(observed) / len(conversations))
    return observed


def persona_accuracy(users: Sequence[SimulatedUser]) -> PersonaAccuracy:
    """Stated axes against true ones. A persona in words that the world's reader does not know states nothing."""
    right = stated = revealed = 0
    for one in users:
        found = read_persona(one.persona or "")
        right += sum(one.user.style[axis] == pole for axis, pole in found.items())
        stated += len(found)
        revealed += len({axis for entry in one.log for axis in entry.truth.asked})
    return PersonaAccuracy(users=len(users), right=right, stated=stated, revealed=revealed)
