"""The persona-DPO loss as pure tensor functions.

Direct preference optimisation (Rafailov et al., 2023, equation 7), with the persona p in front of the prompt x:

    L = -log sigma(beta [(log pi(y+|x,p) - log pi_ref(y+|x,p)) - (log pi(y-|x,p) - log pi_ref(y-|x,p))])

An optional term keeps the chosen reply likely in itself; it is named and reported apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True, kw_only=True, eq=False)
class PairLogProbabilities:
    """Summed log-probabilities of both replies of each pair.

    Attributes:
        chosen, rejected: (pairs,) nats.
    """

    chosen: Tensor
    rejected: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonaDpoLoss:
    """Attributes:
    preference: (pairs,) the DPO term.
    chosen_nll: (pairs,) nats per token of the chosen reply, unweighted.
    total: (pairs,) preference_weight * preference + nll_weight * chosen_nll.
    margin: (pairs,) the implicit reward of the chosen reply minus that of the rejected one.
    """

    preference: Tensor
    chosen_nll: Tensor
    total: Tensor
    margin: Tensor


def implicit_reward_margin(policy: PairLogProbabilities, reference: PairLogProbabilities, beta: float) -> Tensor:
    """(pairs,): beta [(log pi(y+) - log pi_ref(y+)) - (log pi(y-) - log pi_ref(y-))]."""
    return beta * ((policy.chosen - reference.chosen) - (policy.rejected - reference.rejected))


def persona_dpo_loss(
    policy: PairLogProbabilities,
    reference: PairLogProbabilities,
    chosen_tokens: Tensor,
    *,
    beta: float,
    nll_weight: float = 0.0,
    preference_weight: float = 1.0,
) -> PersonaDpoLoss:
    """The loss of each pair by itself: a mean or a sum over pairs is the caller's, so that pairs stay apart.

    Args:
        policy: under the adapter, differentiable.
        reference: under the base model, constant.
        chosen_tokens: (pairs,) how many tokens of the chosen reply are scored.
        beta: strength of the pull towards the reference, above 0.
        nll_weight: weight of the chosen reply's mean negative log-probability per token; 0 leaves pure DPO.
        preference_weight: of the DPO term; 0 leaves supervised fine-tuning on the chosen replies, the ablation.
    """
    margin = implicit_reward_margin(policy, reference, beta)
    preference = -logsigmoid(margin)
    chosen_nll = -policy.chosen / chosen_tokens.clamp(min=1)
    total = preference_weight * preference + nll_weight * chosen_nll if nll_weight else preference_weight * preference
    return PersonaDpoLoss(preference=preference, chosen_nll=chosen_nll, total=total, margin=margin.detach())
