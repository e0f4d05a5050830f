"""Devices whose passes through the model are run in common: the same replies, to float tolerance, in fewer passes.

Each device's request is handled by the client's own app, in a thread of its own that stops where it needs the model.
When all have stopped, what they need is computed at once, and each goes on with its part. Never do two threads run at
the same time: they share one model, and a device must find it as it left it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from client.packing import EncodedPair
from client.persona_dpo import PairLogProbabilities, PersonaDpoLoss
from client.prepared_pairs import CostMeter, PairLimits, PreparedPair, forward_pairs
from client.training import ModelPasses, NonFiniteTrainingError, TrainingConfig, take_plain_step
from shared.adapter import AdaptedModel
from shared.round_plan import FederationPlan
from simulations.engines.cohort_gradients import DeviceGradient, gradients_by_device
from simulations.engines.wire import Packet
from simulations.engines.workers import Handle

# Pairs in a pass: on CPU more gain nothing, an accelerator is idle with fewer. `client.pass_size` bounds their tokens.
_ROWS = {"cpu": 8}
_ROWS_OF_ACCELERATORS = 256

_Pair = TypeVar("_Pair")
_Found = TypeVar("_Found")


def can_train_together(plan: FederationPlan) -> bool:
    """Whether a plan's devices can share passes: one local step from one state, without noise in the step."""
    return (
        plan.pair_privacy is None
        and plan.training.local_steps == 1
        and plan.training.online_candidates == 0
        and plan.adapter.ranks == "same"
        and not plan.adapter.federation.personal
    )


@dataclass(kw_only=True, eq=False)
class _Need(Generic[_Pair, _Found]):
    """What a device waits for: `found`, of its pairs."""

    adapted: AdaptedModel
    pairs: Sequence[_Pair]
    state: NDArray[np.float32]
    found: _Found | None = None


@dataclass(kw_only=True, eq=False)
class _Reference(_Need[EncodedPair, PairLogProbabilities]):
    limits: PairLimits


@dataclass(kw_only=True, eq=False)
class _Step(_Need[PreparedPair, DeviceGradient]):
    config: TrainingConfig


@dataclass(eq=False)
class _Device:
    """A request at work. `go_on` runs it until it needs the model, or has ended."""

    work: Callable[[], Packet]
    need: _Reference | _Step | None = None
    reply: Packet | None = None
    error: BaseException | None = None
    _turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None

    def go_on(self) -> None:
        self.need = None
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        else:
            self._turn.release()
        self._stopped.acquire()

    def wait_for(self, need: _Reference | _Step) -> None:
        """Called in the device's own thread: returns when the need is met."""
        self.need = need
        self._stopped.release()
        self._turn.acquire()

    def _run(self) -> None:
        _at_work.device = self
        try:
            self.reply = self.work()
        except BaseException as error:  # raised again by whoever conducts
            self.error = error
        finally:
            self._stopped.release()


class _AtWork(threading.local):
    device: _Device | None = None


_at_work = _AtWork()


def _reference(
    adapted: AdaptedModel, pairs: Sequence[EncodedPair], limits: PairLimits, *, meter: CostMeter
) -> PairLogProbabilities:
    device = _at_work.device
    if device is None or not pairs:
        return forward_pairs(adapted, pairs, limits, meter=meter)
    meter.charge(len(pairs), sum(map(len, pairs)))
    need = _Reference(adapted=adapted, pairs=pairs, state=adapted.read(), limits=limits)
    device.wait_for(need)
    if need.found is None:
        raise RuntimeError("a device went on without its reference pass")
    return need.found


def _step(
    adapted: AdaptedModel, pairs: Sequence[PreparedPair], config: TrainingConfig, meter: CostMeter
) -> PersonaDpoLoss:
    device = _at_work.device
    if device is None:
        return take_plain_step(adapted, pairs, config, meter)
    meter.charge(len(pairs), sum(len(pair.encoded) for pair in pairs))
    need = _Step(adapted=adapted, pairs=pairs, state=adapted.read(), config=config)
    device.wait_for(need)
    if need.found is None:
        raise RuntimeError("a device went on without its gradient")
    loss, gradients = need.found.loss, need.found.gradients
    if not bool(torch.isfinite(loss.total).all()):
        raise NonFiniteTrainingError("the loss is not finite")
    if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
        raise NonFiniteTrainingError("the gradient is not finite")
    for parameter, gradient in zip(adapted.shared_parameters(), gradients, strict=True):
        parameter.grad = gradient.to(parameter.dtype)
    return loss


COMMON_PASSES = ModelPasses(reference=_reference, step=_step)
"""Of an app whose messages come through `handle_together`; by itself, a message's passes are its own."""


def handle_together(handle: Handle, packets: Sequence[Packet]) -> list[Packet]:
    """The replies to packets, whose devices stand at one state of one model, in their order.

    Args:
        handle: of an app that was built with `COMMON_PASSES`.

    Raises:
        RuntimeError: they do not. And what `handle` raises.
    """
    devices = [_Device(lambda packet=packet: handle(packet)) for packet in packets]  # type: ignore[misc]
    for device in devices:
        device.go_on()
    while waiting := [device for device in devices if device.need is not None]:
        # With references first every adapter is on again before a step is taken.
        references = [device.need for device in waiting if isinstance(device.need, _Reference)]
        steps = [device.need for device in waiting if isinstance(device.need, _Step)]
        if references:
            _run_references(references)
        else:
            _run_steps(steps)
        for device in waiting:
            if device.need is not None and device.need.found is not None:
                device.go_on()
    replies = []
    for device in devices:
        if device.error is not None:
            raise device.error
        if device.reply is None:
            raise RuntimeError("a device ended without a reply")
        replies.append(device.reply)
    return replies


def _run_references(needs: Sequence[_Reference]) -> None:
    adapted, limits = needs[0].adapted, needs[0].limits
    _check_same(needs, all(need.limits == limits for need in needs))
    pairs = [pair for need in needs for pair in need.pairs]
    wide = PairLimits(
        max_prompt_tokens=limits.max_prompt_tokens,
        max_completion_tokens=limits.max_completion_tokens,
        pairs_per_pass=_rows(adapted),
    )
    with adapted.disabled():
        scores = forward_pairs(adapted, pairs, wide, meter=CostMeter())
    first = 0
    for need in needs:
        own = slice(first, first + len(need.pairs))
        first += len(need.pairs)
        need.found = PairLogProbabilities(chosen=scores.chosen[own], rejected=scores.rejected[own])


def _run_steps(needs: Sequence[_Step]) -> None:
    adapted, config = needs[0].adapted, needs[0].config
    _check_same(needs, all(need.config == config for need in needs))
    found = gradients_by_device(adapted, [need.pairs for need in needs], config, rows_per_pass=_rows(adapted))
    for need, own in zip(needs, found, strict=True):
        need.found = own


def _check_same(needs: Sequence[_Reference] | Sequence[_Step], same_settings: bool) -> None:
    first = needs[0]
    if not same_settings or any(
        need.adapted is not first.adapted or not np.array_equal(need.state, first.state) for need in needs
    ):
        raise RuntimeError("devices that train together must start from one state, under one plan")


def _rows(adapted: AdaptedModel) -> int:
    return _ROWS.get(adapted.language_model.device.type, _ROWS_OF_ACCELERATORS)
