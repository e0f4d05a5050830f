"""The plan of a federated run: what is asked of devices, how often, and under which privacy.

A plan travels as Flower's run configuration, in the flat keys of `shared.flat_config`. Parsing is strict: an unknown
key, a wrong type or a value out of range is refused with the key's name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Literal, get_args

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
from shared.plan_terms import PairPrivacyTerms, TrainingTerms, UserPrivacyTerms
from shared.privacy.mechanisms import Sampling

PrivacyUnit = Literal["none", "pair", "user", "both"]

_OUTPUT = "output."
_LARGEST_SEED = 2**63 - 1
# Far above any sensible plan: what a lying server may make a device count.
_MOST = {"rounds": 10**6, "attempts": 100}


@dataclass(frozen=True, kw_only=True)
class FederationPlan:
    """A whole run, as server and devices agree on it.

    Attributes:
        model, adapter, training: what is trained, and how, on each device.
        pair_privacy: protects one pair on its device; None does not.
        user_privacy: protects one user's whole contribution in the cohort's sum; None does not. With neither, the run
            is not private at all; with both, two separate guarantees hold.
        delta: δ of every guarantee of this run.
        rounds: how many releases.
        cohort_size: n, devices asked in a round; all of them where there are fewer. With `user_privacy` the sum is
            divided by n whoever answers; under "poisson", n / devices is each device's chance.
        sampling: how cohorts are drawn: "random" draws n devices for each round; "schedule" walks round and round a
            random order of all devices, n at a time, so that each is asked as rarely and as far apart as can be;
            "poisson" draws every device of every round by itself, in secret.
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
    user_privacy: UserPrivacyTerms | None = None
    delta: float = 1e-5
    rounds: int = 12
    cohort_size: int = 20
    sampling: Sampling = "random"
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
        for name in ("rounds", "attempts"):
            require(getattr(self, name) <= _MOST[name], f"federation.{name}", f"must be at most {_MOST[name]}")
        require(self.clipping_norm >= 1e-30, "federation.clipping-norm", "must be at least 1e-30")
        for name in ("round_timeout", "clipping_norm", "server_learning_rate"):
            value = getattr(self, name)
            require(value > 0 and math.isfinite(value), f"federation.{spelled(name)}", "must be finite and above 0")
        require(
            self.minimum_replies <= self.cohort_size, "federation.minimum-replies", "must be at most the cohort size"
        )
        require(0 <= self.seed <= _LARGEST_SEED, "federation.seed", "must be from 0 to 2^63 - 1")
        require(0 < self.delta < 1, "privacy.delta", "must be between 0 and 1")
        require(
            self.pair_privacy is None or self.training.batch_size is None,
            "training.batch-size",
            "must be absent where pairs are private: they are drawn at pair-privacy.sample-rate",
        )
        user = self.user_privacy
        poisson = self.sampling == "poisson"
        require(
            user is None or self.sampling != "random",
            "federation.sampling",
            "must be 'schedule' or 'poisson' where users are private: random cohorts may ask a device in every round",
        )
        require(
            user is None or user.mechanism == "gaussian" or not poisson,
            "federation.sampling",
            "must be 'schedule' with correlated noise, which is accounted without sampling",
        )
        require(
            user is None or user.cohort_limit is None or poisson,
            "user-privacy.cohort-limit",
            "goes with federation.sampling 'poisson' only",
        )
        if poisson or (user is not None and user.mechanism == "banded-gaussian"):
            # A second try would depend on who answered the first, or add one more release than the noise was made for.
            require(
                self.attempts == 1 and self.minimum_replies == 1,
                "federation.attempts",
                "must be 1, as federation.minimum-replies: such a round is released whoever answers",
            )
        if poisson:
            require(self.cohort_size <= self.devices, "federation.cohort-size", "must be at most the number of devices")

    @property
    def privacy_unit(self) -> PrivacyUnit:
        """What guarantees, if any, are about."""
        if self.user_privacy is None:
            return "none" if self.pair_privacy is None else "pair"
        return "user" if self.pair_privacy is None else "both"

    @property
    def is_private(self) -> bool:
        """Whether anything is promised: then no figure about a device's data leaves it."""
        return self.privacy_unit != "none"

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
        config |= {"privacy.unit": self.privacy_unit, "privacy.delta": self.delta}
        for kind, group, terms in _privacy_parts(self):
            if terms is not None:
                config |= write_fields(terms, group)
            else:
                config |= {full_key(group, name): _absent(hint) for name, hint in field_hints(kind).items()}
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
            **_take_privacy(left),  # type: ignore[arg-type]  # parsed by the fields' own hints
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
        signing_key: file of the server's key (`tacit-server key`), with which every request is signed; None signs none.
    """

    directory: str
    resume: bool = False
    signing_key: str | None = None

    def to_run_config(self) -> dict[str, Scalar]:
        """The keys that belong to the server alone."""
        return write_fields(self, "output")

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
    nested = ("model", "adapter", "training", "pair_privacy", "user_privacy", "delta")
    return {name: hint for name, hint in field_hints(FederationPlan).items() if name not in nested}


_Privacy = type[PairPrivacyTerms] | type[UserPrivacyTerms]
_OF_UNIT: dict[str, tuple[str, ...]] = {
    "none": (),
    "pair": ("pair-privacy",),
    "user": ("user-privacy",),
    "both": ("pair-privacy", "user-privacy"),
}


def _privacy_parts(
    plan: FederationPlan,
) -> tuple[tuple[_Privacy, str, PairPrivacyTerms | UserPrivacyTerms | None], ...]:
    return (
        (PairPrivacyTerms, "pair-privacy", plan.pair_privacy),
        (UserPrivacyTerms, "user-privacy", plan.user_privacy),
    )


def _absent(hint: object) -> Scalar:
    """How a term that does not apply is written: Flower's run configuration has no None."""
    if hint is float:
        return 0.0
    return 0 if hint is int or int in get_args(hint) else ""


def _take_privacy(left: dict[str, object]) -> dict[str, object]:
    unit = left.pop("privacy.unit", "none")
    if unit not in _OF_UNIT:
        raise ConfigError(f"privacy.unit: must be one of {', '.join(_OF_UNIT)}")
    taken: dict[str, object] = {}
    if "privacy.delta" in left:
        taken |= take_values({"delta": float}, "privacy", left)
    for kind, group in ((PairPrivacyTerms, "pair-privacy"), (UserPrivacyTerms, "user-privacy")):
        field_name = group.replace("-", "_")
        if group in _OF_UNIT[str(unit)]:
            for item in fields(kind):
                has_default = item.default is not MISSING
                require(has_default or full_key(group, item.name) in left, full_key(group, item.name), "is missing")
            taken[field_name] = take(kind, group, left)
            continue
        for name in field_hints(kind):
            value = left.pop(full_key(group, name), 0)
            require(value in (0, ""), full_key(group, name), f"must be 0 or absent where privacy.unit is {unit!r}")
    return taken
