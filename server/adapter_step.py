"""From a cohort's updates to the next state: the one place where aggregation method, mean and optimizer meet.

Where a method `sums`, the next state is made of the mean update alone (`from_mean`), whoever made that: the server, a
noise mechanism, or masks. The others are given every update (`from_updates`). The server's learning rate scales each
device's update before it is aggregated, so that what is exact stays exact: with "sgd" the next shared model IS the
aggregate of the devices' models, taken that far. An optimizer with a memory steps along the change that the aggregate
would make; after a method that splits `B A` anew the split is rotated onto the one before, so that its memory, made
in the old basis, means something in the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from server.aggregation import (
    fedask,
    fedex_lora,
    fedsvd,
    flexlora,
    flora,
    hetlora,
    lora_fair,
    robust_means,
)
from server.aggregation.aggregation_error import aggregation_error
from server.aggregation.ffa_lora import mean_update
from server.aggregation.server_optimizers import ServerOptimizer
from shared.adapter_layout import layers_of, residuals_of, with_layers
from shared.adapter_methods import Method
from shared.adapter_spec import AdapterSpec, first_factor
from shared.lora_factors import LayerFactors, rotate_to
from shared.plan_terms import ServerStepTerms
from shared.round_plan import FederationPlan

Layers = tuple[LayerFactors, ...]
# Above so many devices the error is not worth its time: stacked factors are as wide as the model.
MOST_COMPARED = 100
# A residual is as large as the model: above so many numbers it is not multiplied out to be compared.
_LARGEST_COMPARED = 20_000_000
_FAIR_REGULARISATION = 1e-3


class AdapterStep:
    """The server's steps of one run. Called once a round, in order."""

    def __init__(self, plan: FederationPlan, spec: AdapterSpec) -> None:
        self._plan = plan
        self._spec = spec
        self._method = spec.config.federation
        terms = plan.step_terms
        self._optimizers = [
            ServerOptimizer(
                terms.optimizer,
                # What is stepped along: the mean update, or the change of the whole state.
                dimension=spec.update_dimension(turn) if self._method.sums else spec.state_dimension,
                beta1=terms.beta1,
                beta2=terms.beta2,
                adaptivity=terms.adaptivity,
            )
            for turn in range(1, self._method.turns + 1)
        ]

    @property
    def needs_each(self) -> bool:
        """Whether a step is made of every update by itself, and not of their mean alone."""
        return not self._method.sums or self._plan.step_terms.mean != "mean"

    def from_mean(
        self, state: NDArray[np.float32], mean: NDArray[np.float64], *, round_number: int
    ) -> NDArray[np.float32]:
        """(state_dimension,) the next state.

        Args:
            mean: (update_dimension,) of the round's updates.

        Raises:
            ValueError: the method needs each update by itself.
        """
        if not self._method.sums:
            raise ValueError(f"{self._method.name} needs each update by itself")
        step = self._optimizer(round_number).step(mean, self._plan.server_step(round_number))
        moved = (state + self._spec.expand(step, round_number)).astype(np.float32)
        split = _SPLITS.get(self._method.name)
        if split is None or not np.isfinite(moved).all():  # which is not released
            return moved
        before, after = layers_of(self._spec, state), split(layers_of(self._spec, moved))
        return with_layers(self._spec, moved, self._aligned(before, after))

    def from_updates(
        self,
        state: NDArray[np.float32],
        updates: Sequence[NDArray[np.float32]],
        *,
        devices: Sequence[int],
        round_number: int,
    ) -> NDArray[np.float32]:
        """(state_dimension,) the next state.

        Args:
            updates: (update_dimension,) of each device; at least one.
            devices: their numbers, which tell their ranks.
        """
        if self._method.sums:
            return self.from_mean(state, robust_mean(updates, self._plan.step_terms), round_number=round_number)
        rate = self._plan.server_step(round_number)
        if self._plan.step_terms.optimizer == "sgd":
            return self._aggregate(state, self._trained(state, updates, devices, rate, round_number), round_number)
        clients = self._trained(state, updates, devices, 1.0, round_number)
        aggregated = self._aggregate(state, clients, round_number)
        change = self._change(state, aggregated)
        step = self._optimizer(round_number).step(change, rate)
        return (aggregated + (step - change)).astype(np.float32)

    def error(
        self,
        state: NDArray[np.float32],
        updates: Sequence[NDArray[np.float32]],
        following: NDArray[np.float32],
        round_number: int,
    ) -> float | None:
        """How far `following` is from the mean of the devices' models, over that mean's norm; None if not measured.

        With devices of several ranks there is no such figure: each began from a state that was cut to its own.
        """
        terms, config = self._plan.step_terms, self._spec.config
        if (terms.mean, terms.optimizer, config.ranks) != ("mean", "sgd", "same") or self._method.personal:
            return None
        if "a" not in self._method.sent_down:
            return 0.0  # linear in what is shared
        if len(updates) > MOST_COMPARED or not np.isfinite(following).all():
            return None
        if "residual" in self._method.sent_down and self._spec.state_dimension > _LARGEST_COMPARED:
            return None
        clients = self._trained(state, updates, (), self._plan.server_step(round_number), round_number)
        if "residual" not in self._method.sent_down:
            return aggregation_error(layers_of(self._spec, following), clients)
        before, after = residuals_of(self._spec, state), residuals_of(self._spec, following)
        missed = whole = 0.0
        for shared, new, old, same in zip(
            layers_of(self._spec, following), after, before, zip(*clients, strict=True), strict=True
        ):
            wanted = flora.concatenated(same).product() / len(same)
            missed += float(np.sum((shared.product() + (new - old) / self._scale - wanted) ** 2))
            whole += float(np.sum(wanted**2))
        return float(np.sqrt(missed / max(whole, np.finfo(float).tiny)))

    def remembered(self) -> dict[str, NDArray[np.float64]]:
        """What the steps after this one need to know of it: made of releases, so no secret where those are none."""
        return {
            f"{turn}.{name}": values
            for turn, optimizer in enumerate(self._optimizers)
            for name, values in optimizer.state().items()
        }

    def restore(self, remembered: Mapping[str, NDArray[np.float64]]) -> None:
        """Goes on where another process stopped."""
        for turn, optimizer in enumerate(self._optimizers):
            prefix = f"{turn}."
            optimizer.restore(
                {name.removeprefix(prefix): values for name, values in remembered.items() if name.startswith(prefix)}
            )

    @property
    def _scale(self) -> float:
        return self._spec.config.alpha / self._spec.config.rank

    def _optimizer(self, round_number: int) -> ServerOptimizer:
        return self._optimizers[(round_number - 1) % self._method.turns]

    def _trained(
        self,
        state: NDArray[np.float32],
        updates: Sequence[NDArray[np.float32]],
        devices: Sequence[int],
        rate: float,
        round_number: int,
    ) -> list[Layers]:
        """Each device's factors, `rate` times as far from the state as they came; cut to its rank."""
        spec, config = self._spec, self._spec.config
        found = [layers_of(spec, state + rate * spec.expand(update, round_number)) for update in updates]
        if config.ranks == "same":
            return found
        return [
            tuple(layer.truncated(config.rank_of(device)).padded(config.rank) for layer in layers)
            for device, layers in zip(devices, found, strict=True)
        ]

    def _aggregate(
        self, state: NDArray[np.float32], clients: Sequence[Layers], round_number: int
    ) -> NDArray[np.float32]:
        spec, rank = self._spec, self._spec.config.rank
        name: Method = self._method.name
        if name == "hetlora":
            return with_layers(spec, state, hetlora.aggregate(clients))
        if name == "lora-fair":
            return with_layers(spec, state, lora_fair.correct(clients, regularisation=_FAIR_REGULARISATION))
        if name == "flexlora":
            layers = flexlora.aggregate(clients, rank=rank)
            return with_layers(spec, state, self._aligned(layers_of(spec, state), layers))
        before = residuals_of(spec, state)
        if name == "fedex-lora":
            layers, missed = fedex_lora.aggregate(clients)
        else:
            layers, missed = self._anew(state, round_number), flora.stack(clients)
        added = [old + self._scale * one.product() for old, one in zip(before, missed, strict=True)]
        return with_layers(spec, state, layers, residuals=added)

    def _anew(self, state: NDArray[np.float32], round_number: int) -> Layers:
        """FLoRA's adapters after a merge: A drawn, B zero."""
        seed = self._spec.config.seed
        named = dict.fromkeys(layer for layer, _, _ in self._spec.arrays(state))
        return tuple(
            LayerFactors(
                a=first_factor(f"{name}/after-{round_number}", old.a.shape, seed).astype(np.float64),
                b=np.zeros_like(old.b),
            )
            for name, old in zip(named, layers_of(self._spec, state), strict=True)
        )

    def _aligned(self, before: Layers, after: Layers) -> Layers:
        """`after` in the basis nearest to that of `before`, where a memory must mean the same in both."""
        if self._plan.step_terms.optimizer == "sgd":
            return after
        return tuple(rotate_to(old, new, by="a", softness=1.0) for old, new in zip(before, after, strict=True))

    def _change(self, state: NDArray[np.float32], aggregated: NDArray[np.float32]) -> NDArray[np.float64]:
        change = aggregated.astype(np.float64) - state
        if self._method.name == "flora":  # its factors are not the ones before: only what was merged is a change
            for _, factor, values in self._spec.arrays(change):
                if factor != "residual":
                    values[...] = 0.0
        return change


def open_step(
    plan: FederationPlan, spec: AdapterSpec, *, remembered: Mapping[str, NDArray[np.float64]] | None
) -> AdapterStep:
    """The steps of a run, from its beginning, or from what was remembered of its last release."""
    step = AdapterStep(plan, spec)
    if remembered is not None:
        step.restore(remembered)
    return step


def robust_mean(updates: Sequence[NDArray[np.float32]], terms: ServerStepTerms) -> NDArray[np.float64]:
    """(d,) the mean that a plan asks for."""
    if terms.mean == "median":
        return robust_means.median(updates)
    if terms.mean == "geometric-median":
        return robust_means.geometric_median(updates)
    if terms.mean == "trimmed-mean":
        return robust_means.trimmed_mean(updates, share=terms.liars)
    if terms.mean == "krum":
        return robust_means.krum(updates, corrupt=terms.liars_of(len(updates)))
    return mean_update(updates)


_SPLITS: Mapping[Method, Callable[[Layers], Layers]] = {"fedsvd": fedsvd.refactor, "fedask": fedask.refactor}
