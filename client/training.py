"""Training on one device: a few steps of persona-DPO on the adapter, and what leaves is the difference.

Without pair-level privacy the step is plain gradient descent on packed rows. With it, it is DP-SGD (Abadi et al., 2016)
through Opacus: `client.private_step`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from client.factor_rotation import rotated
from client.gradient_check import check_pair_gradients
from client.packing import (
    batches_by_length,
    pack,
    packed_log_probabilities,
)
from client.pass_size import tokens_per_pass
from client.persona_dpo import PersonaDpoLoss, persona_dpo_loss
from client.prepared_pairs import (
    CostMeter,
    PairCache,
    PairLimits,
    PreparedPair,
    ReferencePass,
    forward_pairs,
    prepare_pairs,
    reference_of,
)
from client.private_step import PairPrivacy, PrivateStep
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair
from shared.privacy.noise import NoiseSource

__all__ = [
    "LocalUpdate",
    "ModelPasses",
    "NoPairsError",
    "NonFiniteTrainingError",
    "PairCache",
    "PairPrivacy",
    "PreparedPair",
    "TrainingConfig",
    "TrainingError",
    "packed_losses",
    "prepare_pairs",
    "take_plain_step",
    "take_private_step",
    "train_locally",
]


_TIE = 1e-5


class TrainingError(RuntimeError):
    """Training cannot go on. The message never holds content."""


class NonFiniteTrainingError(TrainingError):
    """A loss, gradient or update is not a finite number."""


class NoPairsError(TrainingError):
    """There is nothing to train on, and the run is not a private one: the device is left out and counted."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What a round plan says of local training.

    Attributes:
        beta: of DPO.
        nll_weight: of the chosen reply's mean negative log-probability per token.
        objective: "dpo", or "sft" on the chosen replies alone: then only `nll_weight` of the loss is left.
        learning_rate: large on purpose in the default recipe: one step, after which clipping makes nearly every update
            a direction of the clipping norm's length.
        optimizer: of the local steps.
        local_steps: gradient steps.
        batch_size: pairs per step, drawn without replacement within an epoch; None is all of them. Not with
            `pair_privacy`, which samples by its own rule.
        max_prompt_tokens, max_completion_tokens: longer ones are cut (`client.packing`).
        max_pairs: without pair privacy, how many pairs are used at most (drawn by the seed). With it, the caller leaves
            out what is beyond, by place and never by content (`client.update`); `sample_rate * max_pairs` is the fixed
            denominator of the step.
        pair_privacy: DP-SGD over pairs, or None.
        pairs_per_pass: how many rows share a forward pass, at most (`client.pass_size`); changes memory and speed only.
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
    pair_privacy: PairPrivacy | None = None
    pairs_per_pass: int = 8

    def __post_init__(self) -> None:
        sizes = (
            self.local_steps,
            self.max_prompt_tokens,
            self.max_completion_tokens,
            self.max_pairs,
            self.pairs_per_pass,
        )
        if min(sizes) < 1 or (self.batch_size is not None and self.batch_size < 1):
            raise ValueError("training sizes and step counts must be at least 1")
        if not self.beta > 0 or not self.learning_rate > 0 or self.nll_weight < 0:
            raise ValueError("beta and learning_rate must be above 0, and nll_weight not negative")
        if self.objective not in ("dpo", "sft") or (self.objective == "sft" and self.nll_weight == 0):
            raise ValueError("objective must be 'dpo', or 'sft' with an nll_weight above 0")
        if self.optimizer not in ("sgd", "adam"):
            raise ValueError("optimizer must be 'sgd' or 'adam'")
        if self.pair_privacy is not None and self.batch_size is not None:
            raise ValueError("with pair_privacy the batch is drawn at its sample_rate: leave batch_size out")

    def limits(self) -> PairLimits:
        """What of this concerns a pair's tokens."""
        return PairLimits(
            max_prompt_tokens=self.max_prompt_tokens,
            max_completion_tokens=self.max_completion_tokens,
            pairs_per_pass=self.pairs_per_pass,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalUpdate:
    """What training gave. Only `vector`, clipped, is meant to leave the device: the other fields are about its data.

    Attributes:
        vector: (d,) float32, trained minus start, not clipped; of the factors that the round trains.
        personal: the factors that stay on the device, as trained; of no numbers with most methods.
        loss: mean over the pairs of the first step, before it; NaN where no pair was drawn.
        accuracy: share of the same pairs whose margin is above 0, a tie counting half.
        pairs: how many the device used.
        prompts_cut, completions_cut: how many pairs lost tokens to the limits.
        forwards: pairs put through the model, reference passes included.
        tokens: tokens of those passes, without padding.
        seconds: wall time.
    """

    vector: NDArray[np.float32]
    personal: NDArray[np.float32]
    loss: float
    accuracy: float
    pairs: int
    prompts_cut: int
    completions_cut: int
    forwards: int
    tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ModelPasses:
    """How a device's passes through the model are run: by itself, or, where a simulation has many, in common ones.

    Attributes:
        reference: see `client.prepared_pairs.forward_pairs`.
        step: see `take_plain_step`.
    """

    reference: ReferencePass
    step: Callable[[AdaptedModel, Sequence[PreparedPair], TrainingConfig, CostMeter], PersonaDpoLoss]


def train_locally(
    adapted: AdaptedModel,
    start: NDArray[np.float32],
    pairs: Sequence[PreferencePair],
    config: TrainingConfig,
    *,
    noise: NoiseSource,
    seed: int,
    cache: PairCache | None = None,
    round_number: int = 1,
    rank: int | None = None,
    personal: NDArray[np.float32] | None = None,
    passes: ModelPasses | None = None,
) -> LocalUpdate:
    """Trains the adapter from `start` on one device's pairs and returns the difference.

    Deterministic from its arguments (and, with `pair_privacy`, from the noise source). The adapter is left at `start`,
    without gradients.

    Args:
        start: (state_dimension,) the round's adapter.
        pairs: 1 to about 50; with `pair_privacy` also none, which is a step of noise alone.
        noise: draws the pairs and the noise of `pair_privacy`; not touched without it.
        seed: of the choice and order of pairs without privacy.
        cache: prepared pairs from earlier rounds.
        round_number: decides which factors are trained, where a method's rounds differ.
        rank: of the device, where it is smaller than the adapter's.
        personal: the factors that stay on the device, where a method has them; None begins them anew.
        passes: runs the model's passes without `pair_privacy`; None is alone.

    Raises:
        NoPairsError: no pairs, and no `pair_privacy`.
        NonFiniteTrainingError: a loss, gradient or update that is not finite. With `pair_privacy` a pair whose gradient
            is not finite contributes zero instead, so that no error depends on one pair.
        UnsupportedArchitectureError, ChatTemplateError, AdapterError: see `client.packing`, `shared.chat_format`,
            `shared.adapter`.
    """
    began = time.perf_counter()
    private = config.pair_privacy
    if not pairs and private is None:
        raise NoPairsError("no pairs to train on")
    meter = CostMeter()
    generator = np.random.default_rng(seed)
    if private is None and len(pairs) > config.max_pairs:
        pairs = [pairs[index] for index in sorted(generator.permutation(len(pairs))[: config.max_pairs])]
    adapted.load(start, round_number=round_number, rank=rank)
    adapted.load_personal(personal)
    if private is not None:
        check_pair_gradients(adapted)
    begun = adapted.read()
    parameters = [*adapted.shared_parameters(), *adapted.personal_parameters()]
    run = passes or ModelPasses(reference=forward_pairs, step=take_plain_step)
    prepared = prepare_pairs(adapted, pairs, config.limits(), cache=cache, meter=meter, reference_pass=run.reference)
    if private is None:
        _check_reference(prepared)
    optimizer = _optimizer(parameters, config)
    first: PersonaDpoLoss | None = None
    try:
        if private is None:
            for batch in _batches(len(prepared), config, generator):
                loss = run.step(adapted, [prepared[index] for index in batch], config, meter)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                first = first or loss
        else:
            # The denominator is the plan's, never this device's own count of pairs.
            with PrivateStep(
                adapted, optimizer, private, expected_batch_size=private.sample_rate * config.max_pairs, noise=noise
            ) as step:
                for _ in range(config.local_steps):
                    drawn = [prepared[index] for index in step.draw(len(prepared))]
                    drawn_loss = take_private_step(adapted, drawn, config, step, meter)
                    first = first or drawn_loss
        trained, kept = adapted.read(), adapted.read_personal()
    finally:
        for parameter in parameters:
            parameter.grad = None
        adapted.load(start)
    if not (np.isfinite(trained).all() and np.isfinite(kept).all()):
        raise NonFiniteTrainingError("the trained adapter is not finite")
    spec = adapted.spec
    if spec.config.method == "fedrot-lora":
        trained = rotated(spec, begun, trained, round_number)
    vector = spec.restrict(trained - begun, round_number).astype(np.float32)
    return LocalUpdate(
        vector=vector,
        personal=kept,
        loss=float(first.total.mean()) if first is not None else float("nan"),
        accuracy=_accuracy(first.margin) if first is not None else float("nan"),
        pairs=len(prepared),
        prompts_cut=sum(pair.encoded.prompt_was_cut for pair in prepared),
        completions_cut=sum(pair.encoded.completion_was_cut for pair in prepared),
        forwards=meter.forwards,
        tokens=meter.tokens,
        seconds=time.perf_counter() - began,
    )


def _check_reference(prepared: Sequence[PreparedPair]) -> None:
    # Only without privacy: with it, such a pair's gradient is not finite either, and contributes zero.
    if not all(math.isfinite(pair.reference_chosen + pair.reference_rejected) for pair in prepared):
        raise NonFiniteTrainingError("a reference log-probability is not finite")


def take_plain_step(
    adapted: AdaptedModel, pairs: Sequence[PreparedPair], config: TrainingConfig, meter: CostMeter
) -> PersonaDpoLoss:
    """Leaves the gradient of the mean loss over pairs in `.grad`."""
    losses = []
    for _, loss in packed_losses(adapted, pairs, config, meter):
        if not bool(torch.isfinite(loss.total).all()):
            raise NonFiniteTrainingError("the loss is not finite")
        (loss.total.sum() / len(pairs)).backward()  # type: ignore[no-untyped-call]
        losses.append(loss)
    if not all(bool(torch.isfinite(gradient).all()) for gradient in _gradients(adapted)):
        raise NonFiniteTrainingError("the gradient is not finite")
    return _detached(losses)


def _gradients(adapted: AdaptedModel) -> list[Tensor]:
    parameters = (*adapted.shared_parameters(), *adapted.personal_parameters())
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def take_private_step(
    adapted: AdaptedModel, pairs: Sequence[PreparedPair], config: TrainingConfig, step: PrivateStep, meter: CostMeter
) -> PersonaDpoLoss | None:
    """One DP-SGD step on the pairs drawn, of which there may be none: the noise is added all the same."""
    losses = []
    with step.collecting():
        for _, loss in packed_losses(adapted, pairs, config, meter):
            loss.total.sum().backward()  # type: ignore[no-untyped-call]
            step.clip_and_accumulate(len(loss.total))
            losses.append(loss)
    step.add_noise_and_step()
    return _detached(losses) if losses else None


def packed_losses(
    adapted: AdaptedModel, pairs: Sequence[PreparedPair], config: TrainingConfig, meter: CostMeter
) -> Iterator[tuple[list[int], PersonaDpoLoss]]:
    """Losses of pairs, a packed batch at a time, with the places of its pairs.

    To save memory, each is taken backward before the next is asked for.
    """
    for indices in batches_by_length(
        [pair.encoded for pair in pairs],
        pairs_per_batch=config.pairs_per_pass,
        tokens_per_batch=tokens_per_pass(adapted.language_model),
    ):
        part = [pairs[index] for index in indices]
        batch = pack(adapted.language_model, [pair.encoded for pair in part])
        meter.charge(len(batch), batch.token_count)
        with torch.enable_grad():
            policy = packed_log_probabilities(adapted.language_model, batch)
            reference = reference_of(part, device=policy.chosen.device)
            loss = persona_dpo_loss(
                policy,
                reference,
                batch.chosen_tokens,
                beta=config.beta,
                nll_weight=config.nll_weight,
                preference_weight=1.0 if config.objective == "dpo" else 0.0,
            )
            yield indices, loss


def _detached(losses: Sequence[PersonaDpoLoss]) -> PersonaDpoLoss:
    """The figures of several batches as one, without the graph they came from."""
    return PersonaDpoLoss(
        preference=torch.cat([loss.preference.detach() for loss in losses]),
        chosen_nll=torch.cat([loss.chosen_nll.detach() for loss in losses]),
        total=torch.cat([loss.total.detach() for loss in losses]),
        margin=torch.cat([loss.margin.detach() for loss in losses]),
    )


def _accuracy(margin: Tensor) -> float:
    # A fresh adapter's margins are zero but for rounding: that is a tie, not a preference.
    wins, ties = margin > _TIE, margin.abs() <= _TIE
    return float((wins.float() + 0.5 * ties.float()).mean())


def _optimizer(parameters: list[nn.Parameter], config: TrainingConfig) -> torch.optim.Optimizer:
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.learning_rate)
    return torch.optim.SGD(parameters, lr=config.learning_rate)


def _batches(count: int, config: TrainingConfig, generator: np.random.Generator) -> Iterator[list[int]]:
    """Indices of the pairs of each local step: all of them, or shuffled epochs cut into batches."""
    if config.batch_size is None or config.batch_size >= count:
        for _ in range(config.local_steps):
            yield list(range(count))
        return
    waiting: list[int] = []
    for _ in range(config.local_steps):
        if len(waiting) < config.batch_size:
            waiting += generator.permutation(count).tolist()
        yield waiting[: config.batch_size]
        waiting = waiting[config.batch_size :]
