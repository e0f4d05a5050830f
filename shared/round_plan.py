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

from shared.adapter_spec import AdapterConfig
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
from shared.model_config import ModelConfig
from shared.plan_requirements import check_method
from shared.plan_terms import (
    PairPrivacyTerms,
    SecureAggregationTerms,
    ServerStepTerms,
    TrainingTerms,
    UserPrivacyTerms,
)
from shared.privacy.discrete_gaussian import LEAST_SUMMED_SIGMA
from shared.privacy.integer_grid import LEAST_SCALE
from shared.privacy.mechanisms import Sampling, is_distributed
from shared.secagg.session_terms import TermsError, choose_threshold, part_sizes

PrivacyUnit = Literal["none", "pair", "user", "both"]

_OUTPUT = "output."
_AGGREGATION = "federation.aggregation"
# Fields whose keys are of other groups.
_ELSEWHERE = (
    "model", "adapter", "training", "step_terms", "pair_privacy", "user_privacy", "secure_aggregation", "delta",
)  # fmt: skip
_LARGEST_SEED = 2**63 - 1
# Far above any sensible plan: what a lying server may make a device count.
_MOST = {"rounds": 10**6, "attempts": 100, "cohort_size": 10**9, "devices": 10**12}


@dataclass(frozen=True, kw_only=True)
class CohortPart:
    """The parts of a cohort that have one size.

    Attributes:
        members, count: devices of each, and how many there are.
        threshold: t, without whom nothing is revealed.
        corrupt: m, that may work for the server.
    """

    members: int
    count: int
    threshold: int
    corrupt: int

    @property
    def contributors(self) -> int:
        """Honest devices whose noise is in every sum that can be unmasked, at least."""
        return self.threshold - self.corrupt


@dataclass(frozen=True, kw_only=True)
class FederationPlan:
    """A whole run, as server and devices agree on it.

    Attributes:
        model, adapter, training: what is trained, and how, on each device.
        step_terms: what the server makes of the updates.
        pair_privacy: protects one pair on its device; None does not.
        user_privacy: protects one user's whole contribution in the cohort's sum; None does not. With neither, the run
            is not private at all; with both, two separate guarantees hold.
        secure_aggregation: hides each update from the server; None shows it ("plain").
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
    step_terms: ServerStepTerms = field(default_factory=ServerStepTerms)
    pair_privacy: PairPrivacyTerms | None = None
    user_privacy: UserPrivacyTerms | None = None
    secure_aggregation: SecureAggregationTerms | None = None
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
        for name, most in _MOST.items():
            require(getattr(self, name) <= most, f"federation.{spelled(name)}", f"must be at most {most}")
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
        self._check_sampling()
        self._check_aggregation()
        check_method(self)

    def _check_sampling(self) -> None:
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
            "must be 'schedule' with correlated or distributed noise, which is accounted without sampling",
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

    def _check_aggregation(self) -> None:
        user, secure = self.user_privacy, self.secure_aggregation
        require(
            user is None or is_distributed(user.mechanism) == (secure is not None),
            "user-privacy.mechanism",
            "must be 'skellam' or 'discrete-gaussian' with federation.aggregation 'secure', where devices add the "
            "noise, and 'gaussian' or 'banded-gaussian' with 'plain'",
        )
        if secure is None:
            return
        require(
            self.sampling != "poisson",
            "federation.sampling",
            "must be 'schedule' or 'random' with federation.aggregation 'secure': the server knows who takes part, and "
            "cohorts must not be smaller than their threshold",
        )
        try:
            contributors = max(part.contributors for part in self.parts())
        except TermsError as error:
            raise ConfigError(f"secure-aggregation: {error}") from None
        if user is not None and user.mechanism == "discrete-gaussian":
            share = user.noise_multiplier * LEAST_SCALE / math.sqrt(contributors)
            require(
                share >= LEAST_SUMMED_SIGMA,
                "user-privacy.mechanism",
                "must be 'skellam': each device's part is too small for discrete Gaussians to add up to one",
            )

    @property
    def least_contributors(self) -> int:
        """Honest devices whose noise is in every sum that can be unmasked, at least; of a full cohort.

        Raises:
            TermsError: its parts are too small to do without the devices that may vanish, and bear the corrupt ones.
        """
        if self.secure_aggregation is None:
            return 0
        return min(part.contributors for part in self.parts())

    @property
    def over_provision(self) -> float:
        """Standard deviation of the noise of a full cohort of which nobody vanishes, over what is counted on.

        1 where the server adds it. It grows with a cohort's parts, each of which has enough by itself.
        """
        if self.secure_aggregation is None:
            return 1.0
        return math.sqrt(sum(part.count * part.members / part.contributors for part in self.parts()))

    def parts(self) -> tuple[CohortPart, ...]:
        """The parts of a full cohort where aggregation is secure, by size; every session has one of these sizes.

        Raises:
            TermsError: see `least_contributors`.
        """
        secure = self.secure_aggregation
        if secure is None:
            return ()
        sizes = part_sizes(min(self.cohort_size, self.devices), part_size=secure.part_size)
        found: list[CohortPart] = []
        for members, count in sizes.items():
            threshold, corrupt = choose_threshold(members, dropout=secure.dropout, corrupt=secure.corrupt)
            found.append(CohortPart(members=members, count=count, threshold=threshold, corrupt=corrupt))
        return tuple(found)

    @property
    def privacy_unit(self) -> PrivacyUnit:
        """What guarantees, if any, are about."""
        if self.user_privacy is None:
            return "none" if self.pair_privacy is None else "pair"
        return "user" if self.pair_privacy is None else "both"

    @property
    def is_private(self) -> bool:
        """Whether anything is promised: then no figure about a device's data leaves it."""
        return self.privacy_unit != "none" or self.secure_aggregation is not None

    def server_step(self, round_number: int) -> float:
        """The server's learning rate in round `round_number`, 1 to `rounds`."""
        if self.server_schedule == "constant":
            return self.server_learning_rate
        return self.server_learning_rate * (1.0 - (round_number - 1) / self.rounds)

    def to_run_config(self) -> dict[str, Scalar]:
        """Every key, absent values included, in a fixed order."""
        config: dict[str, Scalar] = {}
        for group, value in (
            ("model", self.model),
            ("adapter", self.adapter),
            ("training", self.training),
            ("server-step", self.step_terms),
        ):
            config |= write_fields(value, group)
        config |= write_fields(self, "federation", _own_hints())
        config |= {
            _AGGREGATION: "plain" if self.secure_aggregation is None else "secure",
            "privacy.unit": self.privacy_unit,
            "privacy.delta": self.delta,
        }
        for kind, group, terms in _optional_parts(self):
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
            step_terms=take(ServerStepTerms, "server-step", left),
            **_take_optional_parts(left),  # type: ignore[arg-type]  # parsed by the fields' own hints
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


def _own_hints() -> dict[str, object]:
    return {name: hint for name, hint in field_hints(FederationPlan).items() if name not in _ELSEWHERE}


_Part = PairPrivacyTerms | UserPrivacyTerms | SecureAggregationTerms
_PARTS: tuple[tuple[type[_Part], str], ...] = (
    (PairPrivacyTerms, "pair-privacy"),
    (UserPrivacyTerms, "user-privacy"),
    (SecureAggregationTerms, "secure-aggregation"),
)
# Which parts a plan has is said by two keys; the others' keys are then absent.
_HAVING: dict[str, dict[str, tuple[str, ...]]] = {
    "privacy.unit": {
        "none": (),
        "pair": ("pair-privacy",),
        "user": ("user-privacy",),
        "both": ("pair-privacy", "user-privacy"),
    },
    _AGGREGATION: {"plain": (), "secure": ("secure-aggregation",)},
}


def _optional_parts(plan: FederationPlan) -> tuple[tuple[type[_Part], str, _Part | None], ...]:
    return tuple((kind, group, getattr(plan, group.replace("-", "_"))) for kind, group in _PARTS)


def _absent(hint: object) -> Scalar:
    """How a term that does not apply is written: Flower's run configuration has no None."""
    if hint is float:
        return 0.0
    return 0 if hint is int or int in get_args(hint) else ""


def _take_optional_parts(left: dict[str, object]) -> dict[str, object]:
    has: set[str] = set()
    for key, choices in _HAVING.items():
        said = left.pop(key, next(iter(choices)))
        if said not in choices:
            raise ConfigError(f"{key}: must be one of {', '.join(choices)}")
        has.update(choices[str(said)])
    if {"user-privacy", "secure-aggregation"} <= has:
        left.setdefault("user-privacy.mechanism", "skellam")
    taken: dict[str, object] = {}
    if "privacy.delta" in left:
        taken |= take_values({"delta": float}, "privacy", left)
    for kind, group in _PARTS:
        if group in has:
            for item in fields(kind):
                has_default = item.default is not MISSING
                require(has_default or full_key(group, item.name) in left, full_key(group, item.name), "is missing")
            taken[group.replace("-", "_")] = take(kind, group, left)
            continue
        for name in field_hints(kind):
            value = left.pop(full_key(group, name), 0)
            missing = "federation.aggregation is 'plain'" if kind is SecureAggregationTerms else "privacy.unit says so"
            require(value in (0, ""), full_key(group, name), f"must be 0 or absent where {missing}")
    return taken
