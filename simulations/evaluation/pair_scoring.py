"""What a language model with an adapter says of recorded pairs: the bridge from `client.training` to the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from client.pair_scores import score_pairs
from client.prepared_pairs import CostMeter, prepare_pairs
from client.training import PairCache, TrainingConfig, train_locally
from shared.adapter import AdaptedModel
from shared.conversation import PreferencePair
from shared.privacy.clipping import clip_to_norm
from shared.privacy.noise import SeededTestNoise

Figures = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PairFigures:
    """Chosen minus rejected, by every measure that could tell which reply was chosen: above 0 is told right.

    Attributes:
        margin: (n,) DPO's implicit reward margin of the adapter.
        tuned_summed, tuned_per_token: (n,) nats, log-probability with the adapter; divided by reply length or not.
        base_summed, base_per_token: (n,) nats, without it.
        prompts_cut, completions_cut: pairs that lost tokens to the limits.
        indistinguishable: pairs whose two replies are the same tokens once cut; every figure of theirs is 0.
    """

    margin: Figures
    tuned_summed: Figures
    tuned_per_token: Figures
    base_summed: Figures
    base_per_token: Figures
    prompts_cut: int
    completions_cut: int
    indistinguishable: int


class PairScorer(Protocol):
    """Judges pairs with an adapter, and trains one on a single user's pairs alone."""

    def score(self, vector: NDArray[np.float32], pairs: Sequence[PreferencePair]) -> PairFigures:
        """Figures of pairs under the adapter `vector` (d,), in the order given."""
        ...

    def train_alone(self, pairs: Sequence[PreferencePair], *, seed: int) -> NDArray[np.float32]:
        """(d,) the adapter that these pairs (at least one) give with nobody else's help."""
        ...


class AdapterScorer:
    """`PairScorer` on a real model. Pairs are tokenised and put through the base model once, then remembered."""

    def __init__(
        self,
        adapted: AdaptedModel,
        training: TrainingConfig,
        *,
        server_steps: Sequence[float],
        clipping_norm: float,
        remembered_pairs: int = 16_384,
    ) -> None:
        """
        Args:
            adapted: the model; its adapter is overwritten.
            training: token limits, β and the local step. Pair-level privacy is left out of `train_alone`: nothing of it
                leaves the device.
            server_steps: the server's learning rate in each round of the federation that local training is compared
                with (`FederationPlan.server_step`): alone, a device takes as many steps of the same length.
            clipping_norm: of each local update, as in the federation.
            remembered_pairs: how many pairs' tokens stay in memory.
        """
        self._adapted = adapted
        self._training = replace(training, pair_privacy=None)
        self._server_steps = tuple(server_steps)
        self._clipping_norm = clipping_norm
        self._cache = PairCache(remembered_pairs)

    def score(self, vector: NDArray[np.float32], pairs: Sequence[PreferencePair]) -> PairFigures:
        """See `PairScorer`. Raises what `client.pair_scores.score_pairs` raises."""
        limits = self._training.limits()
        prepared = prepare_pairs(self._adapted, pairs, limits, cache=self._cache, meter=CostMeter())
        scores = score_pairs(self._adapted, vector, pairs, self._training, cache=self._cache)
        # Rounding must not decide between two replies that the model cannot tell apart.
        same = np.array([pair.encoded.chosen.ids == pair.encoded.rejected.ids for pair in prepared], dtype=bool)
        return PairFigures(
            margin=np.where(same, 0.0, scores.margins()),
            tuned_summed=np.where(same, 0.0, scores.summed_differences()),
            tuned_per_token=np.where(same, 0.0, scores.mean_differences()),
            base_summed=np.where(same, 0.0, scores.summed_differences(of_reference=True)),
            base_per_token=np.where(same, 0.0, scores.mean_differences(of_reference=True)),
            prompts_cut=sum(pair.encoded.prompt_was_cut for pair in prepared),
            completions_cut=sum(pair.encoded.completion_was_cut for pair in prepared),
            indistinguishable=int(same.sum()),
        )

    def train_alone(self, pairs: Sequence[PreferencePair], *, seed: int) -> NDArray[np.float32]:
        """See `PairScorer`: the federation's rounds with one device. Raises what `train_locally` raises."""
        vector, spec = self._adapted.beginning(), self._adapted.spec
        seeds = np.random.SeedSequence(seed).generate_state(len(self._server_steps))
        for number, (step, round_seed) in enumerate(zip(self._server_steps, seeds, strict=True), start=1):
            update = train_locally(
                self._adapted,
                vector,
                pairs,
                self._training,
                noise=SeededTestNoise(0),  # never drawn from without pair-level privacy
                seed=int(round_seed),
                cache=self._cache,
                round_number=number,
            )
            clipped = clip_to_norm(update.vector, self._clipping_norm)
            vector = (vector + np.float32(step) * spec.expand(clipped, number)).astype(np.float32)
        return vector
