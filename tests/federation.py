"""A federation small enough for a test: a random model on disk, a population of a few devices, a short plan."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from shared.adapter_methods import Method
from shared.adapter_spec import AdapterConfig
from shared.conversation import PreferencePair
from shared.language_model import ModelConfig
from shared.plan_terms import PairPrivacyTerms, TrainingTerms
from shared.round_plan import FederationPlan
from tests.tiny import language_model, message

MARKER = "zanzibarquokka"
_KEPT: list[TemporaryDirectory[str]] = []


@cache
def model_directory() -> str:
    """A random Llama with its tokenizer, saved once a process."""
    kept = TemporaryDirectory(prefix="tacit-test-model-")
    _KEPT.append(kept)
    path = Path(kept.name) / "random-llama"
    made = language_model("llama")
    made.model.save_pretrained(path)
    made.tokenizer.save_pretrained(path)
    return str(path)


@dataclass(frozen=True, kw_only=True)
class FewDevices:
    """A population whose device i holds i % 3 + 1 pairs, each with a marker that must never leave.

    Attributes:
        without_pairs: devices that hold none.
        failing: devices at which an exception quotes the user.
        dying: devices at which the process that asks for their pairs dies.
    """

    devices: int = 4
    without_pairs: tuple[int, ...] = ()
    failing: tuple[int, ...] = ()
    dying: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "few"

    def __len__(self) -> int:
        return self.devices

    def pairs(self, index: int) -> tuple[PreferencePair, ...]:
        if index in self.dying:
            os._exit(9)
        if index in self.failing:
            raise RuntimeError(f"an exception that quotes {MARKER}")
        if index in self.without_pairs:
            return ()
        return tuple(_pair(index, place) for place in range(index % 3 + 1))


def _pair(index: int, place: int) -> PreferencePair:
    return PreferencePair(
        prompt=(message("user", f"How does bread {index} rise {MARKER}?"),),
        chosen=(message("assistant", f"Yeast eats sugar {index} {place} {MARKER}."),),
        rejected=(message("assistant", f"By itself {place} {MARKER}!"),),
        persona=f"a beginner called {MARKER}",
    )


def plan(
    *,
    rounds: int = 2,
    cohort_size: int = 3,
    devices: int = 4,
    minimum_replies: int = 1,
    attempts: int = 1,
    private: bool = False,
    seed: int = 0,
    round_timeout: float = 60.0,
) -> FederationPlan:
    """A plan over `model_directory()`."""
    return FederationPlan(
        model=ModelConfig(name=model_directory(), device="cpu"),
        adapter=AdapterConfig(rank=2),
        training=TrainingTerms(learning_rate=1.0, max_prompt_tokens=64, max_completion_tokens=32),
        pair_privacy=PairPrivacyTerms(noise_multiplier=1.0, sample_rate=1.0, max_grad_norm=0.5) if private else None,
        rounds=rounds,
        cohort_size=cohort_size,
        devices=devices,
        minimum_replies=minimum_replies,
        attempts=attempts,
        round_timeout=round_timeout,
        seed=seed,
    )


def method_plan(method: Method, *, rounds: int = 2, steps: int = 2, **changes: object) -> FederationPlan:
    """`plan()` with an aggregation method, and the mean itself as the server's step."""
    of = plan(rounds=rounds, cohort_size=4)
    adapter = replace(of.adapter, method=method, ranks=changes.pop("ranks", "same"))  # type: ignore[arg-type]
    training = replace(of.training, local_steps=steps)
    values: dict[str, object] = {"server_learning_rate": 1.0, "server_schedule": "constant", **changes}
    return replace(of, adapter=adapter, training=training, **values)  # type: ignore[arg-type]


def adapter_vector(directory: Path) -> NDArray[np.float32]:
    """The last release of a run directory."""
    vector: NDArray[np.float32] = load_file(directory / "checkpoint.safetensors")["vector"]
    return vector
