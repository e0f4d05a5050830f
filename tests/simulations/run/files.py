"""A small run on recorded pairs: six people, a random model on disk."""

from __future__ import annotations

from pathlib import Path

from shared.conversation import PreferencePair
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from simulations.run.config import RunConfig
from tests.federation import MARKER, model_directory
from tests.tiny import message


def write_pairs(path: Path, *, users: int = 6, pairs: int = 4) -> Path:
    """`users` people with `pairs` pairs each about the same questions, all marked."""
    lines = [
        PreferenceLine(
            user_id=f"{MARKER}-{user}",
            question_id=str(place),
            pair=PreferencePair(
                prompt=(message("user", f"How does bread {place} rise {MARKER}?"),),
                chosen=(message("assistant", f"Yeast eats sugar {user} {MARKER}."),),
                rejected=(message("assistant", f"By itself {place} {user} {MARKER}, it is said!"),),
                persona=f"a baker called {MARKER}",
            ),
        )
        for user in range(users)
        for place in range(pairs)
    ]
    write_preference_lines(path, lines)
    return path


def settings(pairs: Path, **more: object) -> dict[str, object]:
    """Flat keys of a run that takes a second or two."""
    return {
        "data.source": "jsonl",
        "data.path": str(pairs),
        "model.name": model_directory(),
        "model.device": "cpu",
        "adapter.rank": 2,
        "training.learning-rate": 1.0,
        "training.max-prompt-tokens": 64,
        "training.max-completion-tokens": 32,
        "federation.rounds": 3,
        "federation.cohort-size": 3,
        "federation.server-learning-rate": 1.0,
        "evaluation.user-folds": 2,
        "evaluation.group-folds": 2,
        **{key.replace("__", ".").replace("_", "-"): value for key, value in more.items()},
    }


def config(pairs: Path, **more: object) -> RunConfig:
    """The same as a configuration; `federation__rounds=1` is the key `federation.rounds`."""
    return RunConfig.from_flat(settings(pairs, **more))
