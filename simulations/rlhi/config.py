"""How a simulation makes its pairs: the device's settings, and what only a simulation can vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from client.filtering import FilterConfig
from client.pair_making import PairMakingConfig
from shared.flat_config import require

PersonaSource = Literal["inferred", "given"]
PersonaShown = Literal["own", "none", "other"]


@dataclass(frozen=True, kw_only=True)
class RlhiConfig:
    """`[rlhi]` of a run's configuration; the names of `client.pair_making.PairMakingConfig` mean the same here.

    Attributes:
        enabled: make the pairs of the embedded world by the pipeline, instead of taking the world's own.
        history: conversations of each user.
        personas: inferred by the base model from the history, or the world's own.
        trained_persona: under whose persona pairs train: the user's own, none, or another user's. Pairs are made under
            the own one all the same.
        classifier: of follow-ups: without a model, or the base model's own answers.
        reward: persona mutual information, the base model as judge, a reward model, or "world": the rule that also
            scores replies, which is circular and there to compare with.
        reward_model: name or directory of the Hugging Face reward model.
        filter: quality filter on; off is the ablation.
        seed: of what is drawn and sampled.
    """

    enabled: bool = False
    history: int = 30
    personas: PersonaSource = "inferred"
    trained_persona: PersonaShown = "own"
    classifier: Literal["light", "model"] = "light"
    minimum_confidence: float = 0.5
    rewrites: int = 8
    rewards: int = 8
    rewrite_mode: Literal["feedback", "from-scratch"] = "feedback"
    reward: Literal["persona-pmi", "judge", "reward-model", "world"] = "persona-pmi"
    reward_model: str | None = None
    reward_knows_persona: bool = True
    candidates: int = 8
    candidates_see_persona: bool = False
    filter: bool = True
    minimum_reward_margin: float = 0.02
    max_new_tokens: int = 112
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("history", "max_new_tokens"):
            require(getattr(self, name) >= 1, f"rlhi.{name.replace('_', '-')}", "must be at least 1")
        require(min(self.rewrites, self.rewards) >= 0, "rlhi.rewrites", "and rlhi.rewards must not be negative")
        require(self.rewrites + self.rewards > 0, "rlhi.rewrites", "or rlhi.rewards must be above 0")
        require(self.candidates >= 2, "rlhi.candidates", "must be at least 2")
        require(0 <= self.minimum_confidence <= 1, "rlhi.minimum-confidence", "must be between 0 and 1")
        require(self.seed >= 0, "rlhi.seed", "must not be negative")
        wants_model = self.reward == "reward-model"
        require(wants_model == (self.reward_model is not None), "rlhi.reward-model", "goes with reward 'reward-model'")

    def making(self) -> PairMakingConfig:
        """What of this is the device's."""
        return PairMakingConfig(
            rewrites=self.rewrites,
            rewards=self.rewards,
            rewrite_mode=self.rewrite_mode,
            minimum_confidence=self.minimum_confidence,
            candidates=self.candidates,
            candidates_see_persona=self.candidates_see_persona,
            reward_knows_persona=self.reward_knows_persona,
            max_new_tokens=self.max_new_tokens,
            filter=FilterConfig(enabled=self.filter, minimum_reward_margin=self.minimum_reward_margin),
            batch_size=256,
        )
