"""The parts of a plan that have names of their own: training, and each kind of protection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from shared.flat_config import require, spelled
from shared.privacy.mechanisms import UserMechanism
from shared.secagg.session_terms import LARGEST_COHORT

# Far above any sensible plan: what a lying server may make a device count or compute.
_MOST = {"participations": 10**6, "separation": 10**6, "local_steps": 10**4}
_LOUDEST = 1e6
_MOST_LIARS = 0.49


@dataclass(frozen=True, kw_only=True)
class PairPrivacyTerms:
    """DP-SGD over a device's pairs: see `client.private_step.PairPrivacy`, which has the same fields."""

    noise_multiplier: float
    sample_rate: float
    max_grad_norm: float

    def __post_init__(self) -> None:
        within = 0 < self.noise_multiplier <= _LOUDEST
        require(within, "pair-privacy.noise-multiplier", f"must be above 0 and at most {_LOUDEST:g}")
        require(0 < self.sample_rate <= 1, "pair-privacy.sample-rate", "must be above 0 and at most 1")
        require(self.max_grad_norm > 0, "pair-privacy.max-grad-norm", "must be above 0")


@dataclass(frozen=True, kw_only=True)
class UserPrivacyTerms:
    """Noise on the sum of a cohort's clipped updates, so that one user's whole contribution is hidden in it.

    Attributes:
        mechanism: with plain aggregation "gaussian" (independent in every round) or "banded-gaussian" (DP-FTRL; needs
            no sampling and no second try: `shared.privacy.banded_noise`): the server adds it and is trusted to. With
            secure aggregation "skellam" or "discrete-gaussian": devices add it in parts, and nobody is trusted.
        noise_multiplier: z, standard deviation of the noise over the sensitivity: the clipping norm, or, with
            "banded-gaussian", what one device can change in the whole run.
        participations: P, the most rounds that a device answers. It refuses more.
        separation: the fewest rounds from one participation of a device to its next. It refuses sooner.
        cohort_limit: with Poisson cohorts, the devices to which larger ones are cut; absent cuts none.
    """

    mechanism: UserMechanism = "gaussian"
    noise_multiplier: float
    participations: int = 1
    separation: int = 1
    cohort_limit: int | None = None

    def __post_init__(self) -> None:
        key = "user-privacy.{}".format
        within = 0 < self.noise_multiplier <= _LOUDEST
        require(within, key("noise-multiplier"), f"must be above 0 and at most {_LOUDEST:g}")
        for name in ("participations", "separation"):
            require(1 <= getattr(self, name) <= _MOST[name], key(name), f"must be from 1 to {_MOST[name]}")
        require(
            self.cohort_limit is None or self.cohort_limit >= 1, key("cohort-limit"), "must be at least 1 or absent"
        )


@dataclass(frozen=True, kw_only=True)
class SecureAggregationTerms:
    """Masks that hide each update from the server (`shared.secagg`).

    Attributes:
        dropout: share of a cohort that may vanish, at whatever stage.
        corrupt: share of a cohort that may work for the server. What both cost is noise: the rest alone must add
            enough of it.
        part_size: a larger cohort is cut into parts of at most so many devices, each with masks and noise of its own.
        rotation: whether updates are rotated at random before they are rounded: fewer bits, and more work.
        stage_timeout: seconds to wait for devices at each stage after training, which is slow and comes before.
    """

    dropout: float = 1 / 3
    corrupt: float = 0.1
    part_size: int = 200
    rotation: bool = False
    stage_timeout: float = 600.0

    def __post_init__(self) -> None:
        key = "secure-aggregation.{}".format
        for name in ("dropout", "corrupt"):
            require(0 <= getattr(self, name) < 0.5, key(name), "must be at least 0 and below 0.5")
        require(self.stage_timeout > 0, key("stage-timeout"), "must be above 0")
        within = 2 <= self.part_size <= LARGEST_COHORT
        require(within, key("part-size"), f"must be from 2 to {LARGEST_COHORT}")


@dataclass(frozen=True, kw_only=True)
class ServerStepTerms:
    """What the server makes of a cohort's updates.

    Attributes:
        mean: of the updates. All but "mean" bear some liars, need each update by itself, and bound nobody's share of
            the result: they are for a trusted server, and for no privacy of users (`server.aggregation.robust_means`).
        liars: share of a cohort that may lie: what a trimmed mean cuts at both ends, and Krum leaves out.
        optimizer: of the steps; all but "sgd" remember earlier rounds (Reddi et al., 2021, arXiv:2003.00295).
        beta1, beta2: of the first and second moment.
        adaptivity: tau, added to the root of the second moment: the smaller, the more steps differ by coordinate.
    """

    mean: Literal["mean", "trimmed-mean", "median", "geometric-median", "krum"] = "mean"
    liars: float = 0.2
    optimizer: Literal["sgd", "momentum", "adam", "adagrad", "yogi"] = "sgd"
    beta1: float = 0.9
    beta2: float = 0.99
    adaptivity: float = 1e-3

    def __post_init__(self) -> None:
        require(0 <= self.liars <= _MOST_LIARS, "server-step.liars", f"must be at least 0 and at most {_MOST_LIARS}")
        for name in ("beta1", "beta2"):
            require(0 <= getattr(self, name) < 1, f"server-step.{name}", "must be at least 0 and below 1")
        require(self.adaptivity > 0, "server-step.adaptivity", "must be above 0")

    @property
    def enough_for_krum(self) -> int:
        """So many devices are always enough for Krum, which needs more than twice as many as may lie, and two more."""
        return math.ceil(3 / (1 - 2 * self.liars))

    def liars_of(self, devices: int) -> int:
        """How many of so many devices may lie."""
        return int(self.liars * devices)


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
        require(
            self.local_steps <= _MOST["local_steps"], "training.local-steps", f"must be at most {_MOST['local_steps']}"
        )
        require(self.batch_size is None or self.batch_size >= 1, "training.batch-size", "must be at least 1 or absent")
