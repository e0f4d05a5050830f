"""How an adapter and the base model judge pairs: log-probabilities, and the implicit reward that DPO gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client.persona_dpo import PairLogProbabilities, implicit_reward_margin
from client.prepared_pairs import CostMeter, PairCache, forward_pairs, prepare_pairs, reference_of
from client.training import TrainingConfig
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair


@dataclass(frozen=True, kw_only=True, eq=False)
class PairScores:
    """Log-probabilities of both replies of every pair, under the adapter and under the base model.

    Attributes:
        policy, reference: (n,) nats each, summed over scored tokens.
        chosen_tokens, rejected_tokens: (n,) int64, scored tokens.
        beta: of the margins.
    """

    policy: PairLogProbabilities
    reference: PairLogProbabilities
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    beta: float

    def margins(self) -> NDArray[np.float64]:
        """(n,) implicit reward of the chosen reply minus that of the rejected one."""
        return _as_numpy(implicit_reward_margin(self.policy, self.reference, self.beta))

    def summed_differences(self, *, of_reference: bool = False) -> NDArray[np.float64]:
        """(n,) nats: log-probability of the chosen reply minus the rejected one's."""
        scores = self.reference if of_reference else self.policy
        return _as_numpy(scores.chosen - scores.rejected)

    def mean_differences(self, *, of_reference: bool = False) -> NDArray[np.float64]:
        """(n,) nats per token: the same with each reply divided by its length."""
        scores = self.reference if of_reference else self.policy
        return _as_numpy(
            scores.chosen / self.chosen_tokens.clamp(min=1) - scores.rejected / self.rejected_tokens.clamp(min=1)
        )


def pair_margins(
    adapted: AdaptedModel, vector: NDArray[np.float32], pairs: Sequence[PreferencePair], config: TrainingConfig
) -> NDArray[np.float64]:
    """(n,) implicit reward margins of pairs under the adapter `vector`: above 0 is told right. See `score_pairs`."""
    return score_pairs(adapted, vector, pairs, config).margins()


def score_pairs(
    adapted: AdaptedModel,
    vector: NDArray[np.float32],
    pairs: Sequence[PreferencePair],
    config: TrainingConfig,
    *,
    cache: PairCache | None = None,
) -> PairScores:
    """Log-probabilities of pairs under the adapter `vector` and under the base model, in the order given.

    The adapter is left at `vector`. Raises what `train_locally` raises, but for an empty list of pairs.
    """
    adapted.load(vector)
    meter = CostMeter()
    prepared = prepare_pairs(adapted, pairs, config.limits(), cache=cache, meter=meter)
    encoded = [pair.encoded for pair in prepared]
    return PairScores(
        policy=forward_pairs(adapted, encoded, config.limits(), meter=meter),
        reference=reference_of(prepared),
        chosen_tokens=torch.tensor([sum(pair.chosen.scored) for pair in encoded], dtype=torch.int64),
        rejected_tokens=torch.tensor([sum(pair.rejected.scored) for pair in encoded], dtype=torch.int64),
        beta=config.beta,
    )


def _as_numpy(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().double().numpy()
