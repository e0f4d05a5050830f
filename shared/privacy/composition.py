"""What several releases come to, by `dp_accounting`: privacy loss distributions, and Rényi divergence beside them.

Events are `dp_accounting`'s own, so that what was composed can be read by anyone. The relation is always zero-out
(there `REPLACE_SPECIAL`). `REPLACE_ONE` is not offered: in dp-accounting 0.6 `RdpAccountant` does not double the
sensitivity under it while `PLDAccountant` does (a test pins this).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from dp_accounting import (
    ComposedDpEvent,
    DpEvent,
    GaussianDpEvent,
    NeighboringRelation,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
    get_epsilon_gaussian,
)
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

_INTERVAL = 1e-3
# Integer orders: with fractional ones dp-accounting takes minutes and warns, for no better bound here.
RDP_ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 512, 1024)
# Of the same steps without sampling: beyond it, the accountant's grid would not fit in memory.
_LARGEST_EPSILON = 5000.0
_LEAST_NOISE = 0.01  # 1 / (2 z^2), the bulk of ε, is that much


def gaussian_epsilon(noise_multiplier: float, *, delta: float) -> float:
    """ε of one Gaussian mechanism, exactly (Balle and Wang, 2018).

    Raises:
        ValueError: so little noise that ε would mean nothing.
    """
    if noise_multiplier < _LEAST_NOISE:
        raise ValueError("too little noise for an ε that means anything: more noise or fewer releases are needed")
    return float(get_epsilon_gaussian(noise_multiplier, delta))


def pld_epsilon(event: DpEvent, *, delta: float) -> float:
    """ε of an event by privacy loss distributions, pessimistically discretised.

    Raises:
        ValueError: so little noise that ε would mean nothing, or that the grid would not fit in memory.
    """
    _check_noise(event, delta)
    accountant = PLDAccountant(NeighboringRelation.REPLACE_SPECIAL, value_discretization_interval=_INTERVAL)
    accountant.compose(event)
    epsilon = float(accountant.get_epsilon(delta))
    if not math.isfinite(epsilon):
        raise ValueError("the accountant found no finite epsilon: more noise or fewer releases are needed")
    return epsilon


def rdp_epsilon(event: DpEvent, *, delta: float) -> float | None:
    """ε of the same event by Rényi divergence at integer orders, never below the truth; None of an unknown event."""
    accountant = RdpAccountant(list(RDP_ORDERS), NeighboringRelation.REPLACE_SPECIAL)
    if not accountant.supports(event):
        return None
    accountant.compose(event)
    return float(accountant.get_epsilon(delta))


def total_epsilon(events: Iterable[DpEvent], *, delta: float) -> float:
    """ε of several events together: exact where all of them are Gaussian, else by privacy loss distributions; by Rényi
    divergence where any is given as such (distributed noise).

    Raises:
        ValueError: as `pld_epsilon`.
    """
    composed = list(events)
    if not composed:
        return 0.0
    squares = [_inverse_square(event) for event in composed]
    if all(square is not None for square in squares):
        total = sum(square for square in squares if square is not None)
        return 0.0 if total == 0 else gaussian_epsilon(1 / math.sqrt(total), delta=delta)
    if any(_is_renyi(event) for event in composed):
        epsilon = rdp_epsilon(ComposedDpEvent(composed), delta=delta)
        if epsilon is None or not math.isfinite(epsilon):
            raise ValueError("the accountant found no finite epsilon: more noise or fewer releases are needed")
        return epsilon
    counted: dict[str, tuple[DpEvent, int]] = {}
    for event in composed:  # like ones together: the accountant takes powers much faster than products
        counted[repr(event)] = (event, counted.get(repr(event), (event, 0))[1] + 1)
    return pld_epsilon(ComposedDpEvent([SelfComposedDpEvent(*one) for one in counted.values()]), delta=delta)


def _inverse_square(event: DpEvent) -> float | None:
    """Sum of 1 / z^2 of an event that is Gaussian through and through: what adds up under composition. Else None."""
    if isinstance(event, GaussianDpEvent):
        square = float(event.noise_multiplier) ** 2
        return math.inf if square == 0 else 1.0 / square
    if isinstance(event, SelfComposedDpEvent):
        inner = _inverse_square(event.event)
        return None if inner is None else inner * int(event.count)
    if isinstance(event, ComposedDpEvent):
        parts = [_inverse_square(part) for part in event.events]
        return None if any(part is None for part in parts) else sum(part for part in parts if part is not None)
    return None


def _is_renyi(event: DpEvent) -> bool:
    """Whether any part of an event is known by its Rényi divergence alone."""
    if isinstance(event, ComposedDpEvent):
        return any(_is_renyi(part) for part in event.events)
    return isinstance(event.event if isinstance(event, SelfComposedDpEvent) else event, ZCDpEvent)


def _check_noise(event: DpEvent, delta: float) -> None:
    unsampled = _inverse_square(_without_sampling(event))
    if unsampled is None or unsampled == 0:
        return
    if gaussian_epsilon(1 / math.sqrt(unsampled), delta=delta) > _LARGEST_EPSILON:
        raise ValueError("too little noise for an ε that means anything: more noise or fewer releases are needed")


def _without_sampling(event: DpEvent) -> DpEvent:
    if isinstance(event, PoissonSampledDpEvent):
        return event.event
    if isinstance(event, SelfComposedDpEvent):
        return SelfComposedDpEvent(_without_sampling(event.event), event.count)
    if isinstance(event, ComposedDpEvent):
        return ComposedDpEvent([_without_sampling(part) for part in event.events])
    return event
