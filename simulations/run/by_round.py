"""How well each round's release serves a few held-out users: `evaluation.by-round` of the embedded world.

A run keeps its last release only, so each round's adapter is put aside as it is released, and all are asked when the
rounds are over: greedy, one question a user, under the user's own persona, none, and another's. A few users make rough
figures: they show when a run learned, and are no result. Costs three replies a user and round, and of the base once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from server.releases import read_checkpoint
from server.whole_files import write_whole
from shared.adapter import AdaptedModel
from simulations.evaluation.embedded import CONDITIONS, evaluate_embedded
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.rlhi.memory import RememberingModel

ROUNDS_UTILITY_FILE, KEPT_DIRECTORY = "rounds_utility.jsonl", "by_round"


@dataclass(frozen=True, kw_only=True)
class RoundUtility:
    """One line of `rounds_utility.jsonl`.

    Attributes:
        round_number: from 1.
        users: asked.
        own, none, other: win rates over the base, a tie counting half, by whose persona is stated.
        low, high: of `own`, 95 % over users.
        coherent: share of replies that make sense, under the own persona.
    """

    round_number: int
    users: int
    own: float
    none: float
    other: float
    low: float
    high: float
    coherent: float


def keep_release(directory: Path, round_number: int) -> None:
    """Puts the adapter of the round just released aside. Raises: ReleaseError, OSError."""
    kept = directory / KEPT_DIRECTORY
    kept.mkdir(exist_ok=True)
    checkpoint = read_checkpoint(directory)
    write_whole(kept / f"{round_number:04d}.f32", checkpoint.vector.astype("<f4").tobytes())


def measure_rounds(
    directory: Path,
    adapted: AdaptedModel,
    users: EmbeddedPopulation,
    base_model: RememberingModel,
    *,
    seed: int,
    progress: Callable[[int, int], None],
) -> tuple[RoundUtility, ...]:
    """Asks every release that was put aside, and writes `rounds_utility.jsonl`.

    A release is put aside after its checkpoint: of a run killed between the two, that round is left out.

    Args:
        users: held out, few.
        base_model: remembers what the base was asked.
        progress: told (rounds done, rounds in all).
    """
    files = sorted((directory / KEPT_DIRECTORY).glob("*.f32"))
    found = []
    for done, file in enumerate(files, start=1):
        adapted.load(np.frombuffer(file.read_bytes(), dtype="<f4").astype(np.float32))
        replies = evaluate_embedded(
            adapted, users, base_model=base_model, questions_per_user=1, temperatures=(0.0,), seed=seed, examples=0
        )
        own, none, other = (replies.result(condition) for condition in CONDITIONS)
        found.append(
            RoundUtility(
                round_number=int(file.stem),
                users=len(users),
                own=own.win.value,
                none=none.win.value,
                other=other.win.value,
                low=own.win.low,
                high=own.win.high,
                coherent=own.tuned_coherent,
            )
        )
        progress(done, len(files))
    write_rounds_utility(directory, found)
    return tuple(found)


def write_rounds_utility(directory: Path, found: Sequence[RoundUtility]) -> None:
    """A line a round."""
    text = "".join(json.dumps(asdict(one), allow_nan=False) + "\n" for one in found)
    write_whole(directory / ROUNDS_UTILITY_FILE, text.encode())


def read_rounds_utility(directory: Path) -> tuple[RoundUtility, ...]:
    """What was measured; nothing where nothing was. Raises: ValueError: not such a file."""
    file = directory / ROUNDS_UTILITY_FILE
    if not file.exists():
        return ()
    try:
        return tuple(RoundUtility(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines())
    except TypeError:
        raise ValueError(f"{file} is damaged") from None
