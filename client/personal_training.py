"""What stays personal: a change of the adapter that this device trains on top of the shared one, for itself alone.

It is trained after the shared round, on the user's own pairs, without noise, since it never leaves. How much of it is
used is chosen on pairs that it was not trained on: `shared + weight * change`, and a weight of 0 is the shared adapter
as it came. Under a new shared adapter training goes on from the change as it was, where the method's basis stays
(`AdapterMethod.basis_stays`); where it does not, the old change would mean something else, and training begins anew.

Personal is the change and not the adapter, so that what all learn together still arrives. With a method that keeps a
factor on the device (FedSA-LoRA) the change is that factor itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from client.persona_dpo import persona_dpo_loss
from client.prepared_pairs import CostMeter, PairCache, PreparedPair, forward_pairs, prepare_pairs, reference_of
from client.training import NonFiniteTrainingError, TrainingConfig, take_plain_step
from shared.adapter import AdaptedModel
from shared.adapter_spec import AdapterError
from shared.conversation import PreferencePair


@dataclass(frozen=True, kw_only=True)
class PersonalTraining:
    """Attributes:
    steps: gradient steps, each of the same length, so that no user's pairs can throw the adapter far.
    step_length: L2 norm of each.
    held_out: chance of a request not to be trained on. It hangs on its words alone, whatever other pairs there are,
        whatever persona and replies: a request that decides was never trained on, and none that was ever decides.
    least_pairs: with fewer, or without any on one of the sides, there is nothing to choose a weight by, and the shared
        adapter stays as it is.
    weights: to choose from, ascending from 0.
    """

    steps: int = 6
    step_length: float = 0.5
    held_out: float = 1 / 3
    least_pairs: int = 4
    weights: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.step_length > 0 or self.least_pairs < 2 or not 0 < self.held_out < 1:
            raise ValueError("steps, step_length and held_out must be above 0, held_out below 1, least_pairs 2 or more")
        if not self.weights or self.weights[0] != 0 or any(one >= more for one, more in pairwise(self.weights)):
            raise ValueError("weights must ascend from 0")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PersonalChange:
    """What this device adds to the shared adapter. All of it is about its user.

    Attributes:
        vector: the change, of the factors in `AdaptedModel.personal_only`.
        weight: how much of it is used.
        losses: mean loss of the pairs held out, by weight; empty where there were too few pairs.
        trained, held_out: pairs.
    """

    vector: NDArray[np.float32]
    weight: float
    losses: Mapping[float, float]
    trained: int
    held_out: int


def train_personal(
    adapted: AdaptedModel,
    state: NDArray[np.float32],
    pairs: Sequence[PreferencePair],
    config: TrainingConfig,
    *,
    how: PersonalTraining | None = None,
    start: NDArray[np.float32] | None = None,
    cache: PairCache | None = None,
) -> PersonalChange:
    """Trains a change of the shared adapter and chooses how much of it is used. The adapter is left at `state`.

    Args:
        state: (state_dimension,) the shared adapter.
        pairs: the newest last; of more than `max_pairs` the newest are used.
        config: of the loss; its steps, learning rate and privacy are not used.
        start: the change as it was under an earlier shared adapter; not looked at where the method's basis moves.

    Raises:
        NonFiniteTrainingError: a loss or gradient is not finite.
        AdapterError: `start` is another adapter's.
    """
    how = how or PersonalTraining()
    adapted.load(state)
    adapted.personal_only()
    origin = adapted.read_personal()
    change = np.zeros_like(origin) if start is None or not adapted.spec.config.federation.basis_stays else start
    if change.shape != origin.shape:
        adapted.load(state)
        raise AdapterError("the personal change is another adapter's")
    adapted.load_personal(origin + change)
    # Of many pairs each side gives its share of the most that are used.
    most_aside = max(1, round(how.held_out * config.max_pairs))
    deciding = [pair for pair in pairs if _place(pair) < how.held_out][-most_aside:]
    trained_on = [pair for pair in pairs if _place(pair) >= how.held_out][-max(1, config.max_pairs - most_aside) :]
    if len(deciding) + len(trained_on) < how.least_pairs or not deciding or not trained_on:
        adapted.load(state)
        return PersonalChange(vector=change, weight=0.0, losses={}, trained=0, held_out=0)
    meter = CostMeter()
    prepared = prepare_pairs(adapted, [*deciding, *trained_on], config.limits(), cache=cache, meter=meter)
    held_out, training = prepared[: len(deciding)], prepared[len(deciding) :]
    parameters = adapted.personal_parameters()
    try:
        for _ in range(how.steps):
            take_plain_step(adapted, training, config, meter)
            _step(parameters, how.step_length)
        change = (adapted.read_personal() - origin).astype(np.float32)
        losses = {}
        for weight in how.weights:
            adapted.load_personal((origin + weight * change).astype(np.float32))
            losses[weight] = _loss(adapted, held_out, config, meter)
    finally:
        for parameter in parameters:
            parameter.grad = None
        adapted.load(state)
    best = min(how.weights, key=lambda weight: (losses[weight], weight))
    return PersonalChange(vector=change, weight=best, losses=losses, trained=len(training), held_out=len(held_out))


def load_with_personal(
    adapted: AdaptedModel, state: NDArray[np.float32], change: NDArray[np.float32], weight: float
) -> None:
    """Sets the adapter to the shared one and so much of the change.

    Raises:
        AdapterError: one of them is another adapter's.
    """
    adapted.load(state)
    adapted.personal_only()
    adapted.load_personal((adapted.read_personal() + weight * change).astype(np.float32))


def _step(parameters: Sequence[nn.Parameter], length: float) -> None:
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in parameters]
    norm = float(torch.sqrt(sum((gradient.double().square().sum() for gradient in gradients), torch.zeros(()))))
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if norm > 0:
                parameter.sub_(gradient, alpha=length / norm)
            parameter.grad = None


def _loss(adapted: AdaptedModel, pairs: Sequence[PreparedPair], config: TrainingConfig, meter: CostMeter) -> float:
    encoded = [pair.encoded for pair in pairs]
    loss = persona_dpo_loss(
        forward_pairs(adapted, encoded, config.limits(), meter=meter),
        reference_of(pairs),
        torch.tensor([sum(pair.chosen.scored) for pair in encoded]),
        beta=config.beta,
        nll_weight=config.nll_weight,
        preference_weight=1.0 if config.objective == "dpo" else 0.0,
    )
    found = float(loss.total.mean())
    if not np.isfinite(found):
        raise NonFiniteTrainingError("the loss of the pairs held out is not finite")
    return found


def _place(pair: PreferencePair) -> float:
    """From 0 to 1, by the words of its request: below `held_out` it decides, above it is trained on.

    Pairs of one request are on one side: their replies are alike.
    """
    said = [[message.role, message.content] for message in pair.prompt]
    return int.from_bytes(hashlib.sha256(json.dumps(said).encode()).digest()[:8], "big") / 2**64
