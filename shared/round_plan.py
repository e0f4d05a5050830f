"""The plan of a federated run: what is asked of devices, how often, and under which privacy.

A plan travels as Flower's run configuration, in the flat keys of `shared.flat_config`. Parsing is strict: an unknown
key, a wrong type or a value out of range is refused with the key's name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from shared.adapter import AdapterConfig
from shared.flat_config import (
    ConfigError,
    Scalar,
    field_hints,
    full_key,
    refuse_unknown,
    require,
    spelled,
    take,
    take_values,
    write_fields,
)
from shared.language_model import ModelConfig

PrivacyUnit = Literal["none", "pair"]

_OUTPUT = "output."
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class PairPrivacyTerms:
    """DP-SGD over a device's pairs: see `client.private_step.PairPrivacy`, which has the same fields."""

    noise_multiplier: float
    sample_rate: float
    max_grad_norm: float

    def __post_init__(self) -> None:
        require(self.noise_multiplier > 0, "privacy.noise-multiplier", "must be above 0")
        require(0 < self.sample_rate <= 1, "privacy.sample-rate", "must be above 0 and at most 1")
        require(self.max_grad_norm > 0, "privacy.max-grad-norm", "must be above 0")


@dataclass(frozen=True, kw_only=True)
class TrainingTerms:
    """Local training: see `client.training.TrainingConfig`, which has the same fields but the last, and `pair_privacy`.

    Attributes:
        online_candidates: candidates that a device samples in each round to make its reward pairs anew; 0 trains on the
            pairs made beforehand (`client.online_rewards`).
    """

    beta: float = 0.1
    nll_weight: float = 2.0
    objective: Literal["dpo", "sft"] = "dpo"
    learning_rate: float = 10.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    local_steps: int = 1
    batch_size: int | None = None
    max_prompt_tokens: int = 512
    max_completion_tokens: int = 256
    max_pairs: int = 50
    pairs_per_pass: int = 8
    online_candidates: int = 0

    def __post_init__(self) -> None:
        require(
            self.online_candidates in (0, *range(2, 65)), "training.online-candidates", "must be 0, or from 2 to 64"
        )
        for name in ("beta", "learning_rate"):
            require(getattr(self, name) > 0, f"training.{spelled(name)}", "must be above 0")
        require(self.nll_weight >= 0, "training.nll-weight", "must not be negative")
        require(
            self.objective == "dpo" or self.nll_weight > 0,
            "training.nll-weight",
            "must be above 0 where objective is sft",
        )
        for name in ("local_steps", "max_prompt_tokens", "max_completion_tokens", "max_pairs", "pairs_per_pass"):
            require(getattr(self, name) >= 1, f"training.{spelled(name)}", "must be at least 1")
        require(self.batch_size is None or self.batch_size >= 1, "training.batch-size", "must be at least 1 or absent")


@dataclass(frozen=True, kw_only=True)
class FederationPlan:
    """A whole run, as server and devices agree on it.

    Attributes:
        model, adapter, training: what is trained, and how, on each device.
        pair_privacy: makes the run a private one whose unit is one pair; None is no privacy at all.
        rounds: how many releases.
        cohort_size: devices asked in a round; all of them where there are fewer.
        devices: how many must have answered the roll call before the first round.
        minimum_replies: usable replies without which a round is not released, but asked again.
        attempts: how often a round is asked before the run stops.
        round_timeout: seconds to wait for a cohort's replies, and for the roll call.
        clipping_norm: C, L2 norm to which a device clips its update.
        server_learning_rate: step along the mean update, in the first round.
        server_schedule: "linear" decays it towards 0: round t of T steps with `1 - (t - 1) / T` of it.
        seed: of cohorts, and of local choices in a run without privacy.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    adapter: AdapterConfig = field(default_factory=AdapterConfig)
    training: TrainingTerms = field(default_factory=TrainingTerms)
    pair_privacy: PairPrivacyTerms | None = None
    rounds: int = 12
    cohort_size: int = 20
    devices: int = 1
    minimum_replies: int = 1
    attempts: int = 3
    round_timeout: float = 3600.0
    clipping_norm: float = 1.0
    server_learning_rate: float = 0.5
    server_schedule: Literal["linear", "constant"] = "linear"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rounds", "cohort_size", "devices", "minimum_replies", "attempts"):
            require(getattr(self, name) >= 1, f"federation.{spelled(name)}", "must be at least 1")
        for name in ("round_timeout", "clipping_norm", "server_learning_rate"):
            value = getattr(self, name)
            require(value > 0 and math.isfinite(value), f"federation.{spelled(name)}", "must be finite and above 0")
        require(
            self.minimum_replies <= self.cohort_size, "federation.minimum-replies", "must be at most the cohort size"
        )
        require(0 <= self.seed <= _LARGEST_SEED, "federation.seed", "must be from 0 to 2^63 - 1")
        require(
            self.pair_privacy is None or self.training.batch_size is None,
            "training.batch-size",
            "must be absent in a private run, which draws pairs at privacy.sample-rate",
        )

    @property
    def privacy_unit(self) -> PrivacyUnit:
        """What a guarantee, if any, is about."""
        return "none" if self.pair_privacy is None else "pair"

    def server_step(self, round_number: int) -> float:
        """The server's learning rate in round `round_number`, 1 to `rounds`."""
        if self.server_schedule == "constant":
            return self.server_learning_rate
        return self.server_learning_rate * (1.0 - (round_number - 1) / self.rounds)

    def to_run_config(self) -> dict[str, Scalar]:
        """Every key, absent values included, in a fixed order."""
        config: dict[str, Scalar] = {}
        for group, value in (("model", self.model), ("adapter", self.adapter), ("training", self.training)):
            config |= write_fields(value, group)
        config |= write_fields(self, "federation", _own_hints())
        config["privacy.unit"] = self.privacy_unit
        for name in field_hints(PairPrivacyTerms):
            config[full_key("privacy", name)] = 0.0 if self.pair_privacy is None else getattr(self.pair_privacy, name)
        return config

    @classmethod
    def from_run_config(cls, config: Mapping[str, object]) -> FederationPlan:
        """The plan of a run configuration; keys left out take their defaults, and `output.` keys are not its business.

        Raises:
            ConfigError: an unknown key, a wrong type or a value out of range.
        """
        left = {key: value for key, value in config.items() if not key.startswith(_OUTPUT)}
        plan = cls(
            model=take(ModelConfig, "model", left),
            adapter=take(AdapterConfig, "adapter", left),
            training=take(TrainingTerms, "training", left),
            pair_privacy=_take_privacy(left),
            **take_values(_own_hints(), "federation", left),  # type: ignore[arg-type]  # parsed by the fields' own hints
        )
        refuse_unknown(left)
        return plan

    def digest(self) -> str:
        """SHA-256 (hex) over the whole plan."""
        return hashlib.sha256(json.dumps(self.to_run_config(), sort_keys=True).encode()).hexdigest()

    def differences(self, other: FederationPlan) -> tuple[str, ...]:
        """Names of the keys in which two plans differ."""
        theirs = other.to_run_config()
        return tuple(key for key, value in self.to_run_config().items() if theirs[key] != value)


@dataclass(frozen=True, kw_only=True)
class RunOutput:
    """Where the server leaves what a run makes. Not part of the plan, and never sent to a device.

    Attributes:
        directory: the run's; on the server's machine, so absolute in a deployment.
        resume: continue a run that stands there already.
    """

    directory: str
    resume: bool = False

    def to_run_config(self) -> dict[str, Scalar]:
        """The keys that belong to the server alone."""
        return {"output.directory": self.directory, "output.resume": self.resume}

    @classmethod
    def from_run_config(cls, config: Mapping[str, object]) -> RunOutput:
        """Raises: ConfigError: no directory, an unknown `output.` key or a wrong type."""
        left = {key: value for key, value in config.items() if key.startswith(_OUTPUT)}
        if not left.get("output.directory"):
            raise ConfigError("output.directory: must name the directory that the run leaves its results in")
        output = take(cls, "output", left)
        refuse_unknown(left)
        return output


def _own_hints() -> dict[str, object]:
    nested = ("model", "adapter", "training", "pair_privacy")
    return {name: hint for name, hint in field_hints(FederationPlan).items() if name not in nested}


def _take_privacy(left: dict[str, object]) -> PairPrivacyTerms | None:
    unit = left.pop("privacy.unit", "none")
    if unit not in get_args(PrivacyUnit):
        raise ConfigError(f"privacy.unit: must be one of {', '.join(get_args(PrivacyUnit))}")
    values = cast("dict[str, float]", take_values(field_hints(PairPrivacyTerms), "privacy", left))
    if unit == "none":
        named = sorted(name for name, value in values.items() if value != 0)
        if named:
            raise ConfigError(f"privacy.{spelled(named[0])}: must be 0 or absent where privacy.unit is 'none'")
        return None
    for name in field_hints(PairPrivacyTerms):
        require(name in values, full_key("privacy", name), "is missing")
    return PairPrivacyTerms(**values)
