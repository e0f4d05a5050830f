"""What a run is: the federation's plan, its data, its evaluation and its engine, in one TOML file.

Layers lie over each other: the defaults, a preset, a file, flags. Each is a mapping of flat keys
(`shared.flat_config`); a key that nobody knows is refused by name. `config.toml` in a run's directory is the resolved
whole, and makes the same run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import tomli_w

from server.cohorts import ScheduledCohorts
from server.roster import RosterError
from shared.command_line import read_toml
from shared.flat_config import ConfigError, Scalar, refuse_unknown, require, take, to_tables, write_fields
from shared.round_plan import FederationPlan
from simulations.attacks.config import AttackConfig
from simulations.population.protocol import Population
from simulations.rlhi.config import RlhiConfig
from simulations.run.calibration import calibrated

Source = Literal["embedded", "mtbench-human", "realhumaneval", "jsonl"]
Engine = Literal["inline", "ray", "deployed"]

_OF_PLAN = (
    "model", "adapter", "training", "server-step", "federation", "privacy", "pair-privacy", "user-privacy",
    "secure-aggregation",
)  # fmt: skip
_PRESETS = Path(__file__).parents[1] / "presets"
_DEVICES = "federation.devices"
# What a resumed run may have otherwise. Another engine or number of processes gives the same adapter to float tolerance
# only, so not a private run: its devices would answer one request twice, with the same noise.
_OF_THIS_MACHINE = ("run.engine", "run.processes", "run.ray-address", "run.batched-clients", "run.memory")
# Where the data lies; which data it is, `data.sha256` says.
_WHEREABOUTS = "data.path"


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Whose pairs train.

    Attributes:
        source: the embedded world, or recorded data under `path`.
        path: of the recorded data: a directory, or a JSONL file.
        sha256: if given, the digest that the recorded data must have; filled in when a run begins.
        users: how many take part; None is everyone in the data, or 200 of the embedded world.
        pairs_per_user: of each embedded user.
        seed: of the embedded world, and of which users are drawn from recorded data.
    """

    source: Source = "embedded"
    path: str | None = None
    sha256: str | None = None
    users: int | None = None
    pairs_per_user: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        recorded = self.source != "embedded"
        require(not recorded or self.path is not None, "data.path", f"must name the data of source {self.source!r}")
        require(recorded or self.path is None, "data.path", "must be absent: the embedded world has no files")
        require(self.users is None or self.users >= 1, "data.users", "must be at least 1, or absent")
        require(self.pairs_per_user >= 1, "data.pairs-per-user", "must be at least 1")
        require(self.seed >= 0, "data.seed", "must not be negative")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How the result is measured.

    Attributes:
        skip: measure nothing.
        seed: of sampled replies, folds, local-only training and bootstraps.
        users, questions, pairs_per_user: embedded world: how many held-out users, with how many new questions and
            held-out pairs each.
        split: embedded world: "tuning" users for choosing settings, "reporting" users for figures.
        temperature: embedded world: of sampled replies, beside greedy ones; 0 leaves them out.
        seen_users: embedded world: how many users whose devices trained are measured, too, and as many strangers of the
            same kind, whose devices are not in the federation: what being there is worth. (The held-out users of
            `users` differ in more: half state their personas in words that nobody did before.)
        personal_users, personal_pairs: embedded world: how many held-out users train an adapter of their own on top of
            the shared one, on how many pairs each (`simulations.evaluation.cold_start`).
        by_round: embedded world: so many of those `users` are also asked after every round, one question each, greedy,
            into `rounds_utility.jsonl` (`simulations.run.by_round`); 0 asks nobody.
        user_folds, group_folds, cells: recorded data: `simulations.evaluation.cross_validation`.
        local_only: recorded data: also train each tested user alone, as the row to beat.
    """

    skip: bool = False
    seed: int = 0
    users: int = 64
    questions: int = 2
    pairs_per_user: int = 4
    split: Literal["reporting", "tuning"] = "reporting"
    temperature: float = 0.7
    seen_users: int = 0
    personal_users: int = 0
    personal_pairs: int = 6
    by_round: int = 0
    user_folds: int = 3
    group_folds: int = 3
    cells: Literal["all", "diagonal"] = "all"
    local_only: bool = True

    def __post_init__(self) -> None:
        for name, least in (
            ("users", 2),
            ("questions", 1),
            ("pairs_per_user", 1),
            ("user_folds", 2),
            ("personal_pairs", 1),
        ):
            require(getattr(self, name) >= least, f"evaluation.{name.replace('_', '-')}", f"must be at least {least}")
        require(self.group_folds >= 2, "evaluation.group-folds", "must be at least 2")
        require(self.temperature >= 0, "evaluation.temperature", "must not be negative")
        require(self.seed >= 0, "evaluation.seed", "must not be negative")
        for name in ("seen_users", "personal_users", "by_round"):
            value = getattr(self, name)
            require(value == 0 or value >= 2, f"evaluation.{name.replace('_', '-')}", "must be 0 or at least 2")
        require(self.by_round <= self.users, "evaluation.by-round", f"is above evaluation.users, {self.users}")
        require(
            self.cells == "all" or self.user_folds == self.group_folds,
            "evaluation.cells",
            "the diagonal needs as many user folds as group folds",
        )


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What is neither the plan's nor the data's.

    Attributes:
        engine: see `simulations.engines`.
        processes: that train; None lets the engine decide. A seeded run gives the same adapter with any number, to
            float tolerance.
        ray_address: HOST:PORT of the head of a Ray cluster that this machine has joined, whose cores then train; None
            starts a Ray for this run alone.
        batched_clients: devices that share passes through the model, with the engine `inline` in one process; 1 are
            none. None lets the engine decide: 64 with CUDA, none without. The adapter is the same to float tolerance.
        epsilon: ε per user against everyone that a private run is to keep. Sets user-privacy.noise-multiplier, and
            makes the run one whose users are private, by a schedule; None leaves all of that to be said itself.
        memory: embedded world: a directory in which the base model's replies are kept for other runs with the same
            users (`simulations.rlhi.memory`); without it a run with `[rlhi]` keeps them until it is finished.
    """

    engine: Engine = "inline"
    processes: int | None = None
    ray_address: str | None = None
    batched_clients: int | None = None
    epsilon: float | None = None
    memory: str | None = None

    def __post_init__(self) -> None:
        require(self.processes is None or self.processes >= 1, "run.processes", "must be at least 1, or absent")
        batched = self.batched_clients
        require(batched is None or batched >= 1, "run.batched-clients", "must be at least 1, or absent")
        require(
            batched in (None, 1) or self.engine == "inline",
            "run.batched-clients",
            f"goes with the engine inline, not {self.engine}",
        )
        require(self.epsilon is None or self.epsilon > 0, "run.epsilon", "must be above 0, or absent")
        if self.ray_address is not None:
            key = "run.ray-address"
            require(self.engine == "ray", key, "goes with run.engine 'ray' (--engine ray)")
            require(self.processes is None, key, "goes without run.processes: the cluster's cores are used")
            host, _, port = self.ray_address.rpartition(":")
            within = port.isascii() and port.isdigit() and 1 <= int(port) < 2**16
            require(bool(host) and within and "/" not in host, key, "must be HOST:PORT, such as 10.0.0.1:6379")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run. Its plan's number of devices is the population's: `plan_for`."""

    plan: FederationPlan = field(default_factory=FederationPlan)
    data: DataConfig = field(default_factory=DataConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    run: RunSettings = field(default_factory=RunSettings)
    rlhi: RlhiConfig = field(default_factory=RlhiConfig)
    attack: AttackConfig = field(default_factory=AttackConfig)

    def __post_init__(self) -> None:
        require(
            not self.rlhi.enabled or self.data.source == "embedded",
            "rlhi.enabled",
            "goes with data.source 'embedded'; pairs of recorded conversations are made with `tacit pairs`",
        )
        self.attack.check(
            source=self.data.source, engine=self.run.engine, secure=self.plan.secure_aggregation is not None
        )

    @property
    def is_private(self) -> bool:
        """Whether anything is promised."""
        return self.plan.is_private

    def plan_for(self, population: Population) -> FederationPlan:
        """The plan over a population.

        Raises:
            ConfigError: no round could have enough replies, a schedule would ask devices more often than they allow, or
                an attack has nobody to attack.
        """
        require(
            self.plan.minimum_replies <= len(population),
            "federation.minimum-replies",
            f"is {self.plan.minimum_replies}, and only {len(population)} devices train",
        )
        self.attack.attackers(len(population))
        plan = replace(self.plan, devices=len(population))
        if plan.sampling == "schedule":
            try:
                ScheduledCohorts(plan, range(len(population)))
            except RosterError as error:
                raise ConfigError(f"federation.sampling: {error}") from None
        return plan

    def located(self) -> RunConfig:
        """With directories named from the root, so that the run can go on from anywhere."""
        model, path = self.plan.model, self.data.path
        if Path(model.name).expanduser().is_dir():
            model = replace(model, name=str(Path(model.name).expanduser().resolve()))
        return replace(
            self,
            plan=replace(self.plan, model=model),
            data=replace(self.data, path=None if path is None else str(Path(path).expanduser().resolve())),
        )

    def to_flat(self) -> dict[str, Scalar]:
        """Every key, absent values included, in a fixed order."""
        flat = {key: value for key, value in self.plan.to_run_config().items() if key != _DEVICES}
        for group, part in (
            ("data", self.data),
            ("evaluation", self.evaluation),
            ("run", self.run),
            ("rlhi", self.rlhi),
            ("attack", self.attack),
        ):
            flat |= write_fields(part, group)
        return flat

    @classmethod
    def from_flat(cls, flat: Mapping[str, object]) -> RunConfig:
        """Raises: ConfigError: an unknown key, a wrong type or a value out of range; it names the key."""
        if _DEVICES in flat:
            raise ConfigError(f"{_DEVICES}: is the number of users in the data: set data.users")
        left = dict(flat)
        data, evaluation, run, rlhi, attack = (
            take(DataConfig, "data", left),
            take(EvaluationConfig, "evaluation", left),
            take(RunSettings, "run", left),
            take(RlhiConfig, "rlhi", left),
            take(AttackConfig, "attack", left),
        )
        of_plan = tuple(f"{group}." for group in _OF_PLAN)
        terms = {key: left.pop(key) for key in tuple(left) if key.startswith(of_plan)}
        refuse_unknown(left)
        if terms.get("federation.sampling") == "poisson" or terms.get("federation.aggregation") == "secure":
            # Until the population is known (`plan_for`): such a plan needs as many devices as a cohort.
            terms[_DEVICES] = terms.get("federation.cohort-size", FederationPlan().cohort_size)
        if run.epsilon is not None:
            terms = calibrated(terms, run.epsilon)
        plan = FederationPlan.from_run_config(terms)
        return cls(plan=plan, data=data, evaluation=evaluation, run=run, rlhi=rlhi, attack=attack)

    def to_toml(self) -> str:
        """As `config.toml`."""
        return tomli_w.dumps(to_tables(self.to_flat()))

    def differences(self, other: RunConfig) -> tuple[str, ...]:
        """Names of the keys in which two runs differ, but for where their data lies and, without privacy, what runs."""
        theirs = other.to_flat()
        free = (_WHEREABOUTS,) if self.is_private else (_WHEREABOUTS, *_OF_THIS_MACHINE)
        return tuple(key for key, value in self.to_flat().items() if theirs[key] != value and key not in free)


def preset_descriptions() -> dict[str, str]:
    """Name → what the preset is for: the first line of its file."""
    return {
        path.stem: path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
        for path in sorted(_PRESETS.glob("*.toml"))
    }


def preset_for(source: str) -> str | None:
    """The preset whose settings fit a source of data; None where there is none, or no such source."""
    for name in preset_descriptions():
        if name != "smoke" and read_preset(name).get("data.source") == source:
            return name
    return None


def without_masks(flat: Mapping[str, object]) -> dict[str, object]:
    """The same settings with plain aggregation: what belongs to masks is left out."""
    kept = {key: value for key, value in flat.items() if not key.startswith("secure-aggregation.")}
    return {**kept, "federation.aggregation": "plain"}


def read_preset(name: str) -> dict[str, object]:
    """A preset's keys. Raises: ConfigError: there is no such preset."""
    known = preset_descriptions()
    if name not in known:
        raise ConfigError(f"there is no preset {name!r}: there are {', '.join(known)}")
    return read_toml(_PRESETS / f"{name}.toml")
