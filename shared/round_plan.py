"""The plan of a federated run: what is asked of devices, how often, and under which privacy.

A plan travels as Flower's run configuration, a flat mapping of keys to scalars: `training.batch-size` is field
`batch_size` of `training`. Absent is written as 0 or "", since Flower's scalars know no None. Parsing is strict: an
unknown key, a wrong type or a value out of range is refused with the key's name.
"""

from __future__ import annotations

import hashlib
import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from shared.adapter import AdapterConfig
from shared.language_model import ModelConfig

Scalar = bool | int | float | str

PrivacyUnit = Literal["none", "pair"]

_OUTPUT = "output."
_LARGEST_SEED = 2**63 - 1


class PlanError(ValueError):
    """A plan cannot be used. The message names the key at fault."""


@dataclass(frozen=True, kw_only=True)
class PairPrivacyTerms:
    """DP-SGD over a device's pairs: see `client.private_step.PairPrivacy`, which has the same fields."""

    noise_multiplier: float
    sample_rate: float
    max_grad_norm: float

    def __post_init__(self) -> None:
        _require(self.noise_multiplier > 0, "privacy.noise-multiplier", "must be above 0")
        _require(0 < self.sample_rate <= 1, "privacy.sample-rate", "must be above 0 and at most 1")
        _require(self.max_grad_norm > 0, "privacy.max-grad-norm", "must be above 0")


@dataclass(frozen=True, kw_only=True)
class TrainingTerms:
    """Local training: see `client.training.TrainingConfig`, which has the same fields and `pair_privacy`."""

    beta: float = 0.1
    nll_weight: float = 0.5
    learning_rate: float = 10.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    local_steps: int = 1
    batch_size: int | None = None
    max_prompt_tokens: int = 512
    max_completion_tokens: int = 256
    max_pairs: int = 50
    pairs_per_pass: int = 8

    def __post_init__(self) -> None:
        for name in ("beta", "learning_rate"):
            _require(getattr(self, name) > 0, f"training.{_spelled(name)}", "must be above 0")
        _require(self.nll_weight >= 0, "training.nll-weight", "must not be negative")
        for name in ("local_steps", "max_prompt_tokens", "max_completion_tokens", "max_pairs", "pairs_per_pass"):
            _require(getattr(self, name) >= 1, f"training.{_spelled(name)}", "must be at least 1")
        _require(self.batch_size is None or self.batch_size >= 1, "training.batch-size", "must be at least 1 or absent")


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
    server_learning_rate: float = 1.3
    server_schedule: Literal["linear", "constant"] = "linear"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("rounds", "cohort_size", "devices", "minimum_replies", "attempts"):
            _require(getattr(self, name) >= 1, f"federation.{_spelled(name)}", "must be at least 1")
        for name in ("round_timeout", "clipping_norm", "server_learning_rate"):
            value = getattr(self, name)
            _require(value > 0 and math.isfinite(value), f"federation.{_spelled(name)}", "must be finite and above 0")
        _require(
            self.minimum_replies <= self.cohort_size, "federation.minimum-replies", "must be at most the cohort size"
        )
        _require(0 <= self.seed <= _LARGEST_SEED, "federation.seed", "must be from 0 to 2^63 - 1")
        _require(
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
            hints = _hints(type(value))
            config |= {_key(group, name): _scalar(getattr(value, name), hint) for name, hint in hints.items()}
        config |= {_key("federation", name): _scalar(getattr(self, name), hint) for name, hint in _own_hints().items()}
        config["privacy.unit"] = self.privacy_unit
        for name in _hints(PairPrivacyTerms):
            config[_key("privacy", name)] = 0.0 if self.pair_privacy is None else getattr(self.pair_privacy, name)
        return config

    @classmethod
    def from_run_config(cls, config: Mapping[str, object]) -> FederationPlan:
        """The plan of a run configuration; keys left out take their defaults, and `output.` keys are not its business.

        Raises:
            PlanError: an unknown key, a wrong type or a value out of range.
        """
        left = {key: value for key, value in config.items() if not key.startswith(_OUTPUT)}
        plan = cls(
            model=_take(ModelConfig, "model", left),
            adapter=_take(AdapterConfig, "adapter", left),
            training=_take(TrainingTerms, "training", left),
            pair_privacy=_take_privacy(left),
            **_values(_own_hints(), "federation", left),  # type: ignore[arg-type]  # parsed by the fields' own hints
        )
        if left:
            raise PlanError(f"unknown keys in the plan: {', '.join(sorted(map(repr, left)))}")
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
        """Raises: PlanError: no directory, an unknown `output.` key or a wrong type."""
        left = {key: value for key, value in config.items() if key.startswith(_OUTPUT)}
        if not left.get("output.directory"):
            raise PlanError("output.directory: must name the directory that the run leaves its results in")
        output = _take(cls, "output", left)
        if left:
            raise PlanError(f"unknown keys in the plan: {', '.join(sorted(map(repr, left)))}")
        return output


_Terms = TypeVar("_Terms")


def _require(holds: bool, key: str, rule: str) -> None:
    if not holds:
        raise PlanError(f"{key}: {rule}")


def _spelled(name: str) -> str:
    return name.replace("_", "-")


def _key(group: str, name: str) -> str:
    return f"{group}.{_spelled(name)}"


def _hints(kind: type) -> dict[str, object]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _own_hints() -> dict[str, object]:
    nested = ("model", "adapter", "training", "pair_privacy")
    return {name: hint for name, hint in _hints(FederationPlan).items() if name not in nested}


def _scalar(value: object, hint: object) -> Scalar:
    if isinstance(value, tuple):
        return ",".join(value)
    if value is None:
        return 0 if int in get_args(hint) else ""
    if hint is float:
        return float(cast(float, value))
    return cast(Scalar, value)


def _take(kind: type[_Terms], group: str, left: dict[str, object]) -> _Terms:
    values = _values(_hints(kind), group, left)
    try:
        return kind(**values)
    except PlanError:
        raise
    except ValueError as error:
        raise PlanError(f"{group}: {error}") from None


def _take_privacy(left: dict[str, object]) -> PairPrivacyTerms | None:
    unit = left.pop("privacy.unit", "none")
    if unit not in get_args(PrivacyUnit):
        raise PlanError(f"privacy.unit: must be one of {', '.join(get_args(PrivacyUnit))}")
    values = cast("dict[str, float]", _values(_hints(PairPrivacyTerms), "privacy", left))
    if unit == "none":
        named = sorted(name for name, value in values.items() if value != 0)
        if named:
            raise PlanError(f"privacy.{_spelled(named[0])}: must be 0 or absent where privacy.unit is 'none'")
        return None
    for name in _hints(PairPrivacyTerms):
        _require(name in values, _key("privacy", name), "is missing")
    return PairPrivacyTerms(**values)


def _values(hints: Mapping[str, object], group: str, left: dict[str, object]) -> dict[str, object]:
    """Removes this group's keys from `left` and returns their values by field name."""
    return {
        name: _parse(_key(group, name), left.pop(_key(group, name)), hint)
        for name, hint in hints.items()
        if _key(group, name) in left
    }


def _parse(key: str, value: object, hint: object) -> object:
    options = get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)
    if type(None) in options and (value == "" or (int in options and value == 0 and not isinstance(value, bool))):
        return None
    for option in options:
        if get_origin(option) is Literal and isinstance(value, str) and value in get_args(option):
            return value
        if get_origin(option) is tuple and isinstance(value, str) and value and value not in _literals(options):
            parts = tuple(part.strip() for part in value.split(","))
            if all(parts):
                return parts
        if option is float and isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            _require(math.isfinite(number), key, "must be finite")
            return number
        if option in (bool, int, str) and type(value) is option:
            return value
    raise PlanError(f"{key}: must be {_described(options)}")


def _literals(options: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(choice for option in options if get_origin(option) is Literal for choice in get_args(option))


def _described(options: tuple[object, ...]) -> str:
    names: dict[object, str] = {
        int: "an integer",
        float: "a number",
        str: "a string",
        bool: "true or false",
        type(None): "absent",
    }
    said = [names.get(option, "names separated by commas") for option in options if get_origin(option) is not Literal]
    return " or ".join([*said, *(repr(choice) for choice in _literals(options))])
