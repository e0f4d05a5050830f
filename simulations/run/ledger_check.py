"""A ledger's ε worked out again from its raw events, and by a second accountant where there is one for the event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from dp_accounting import DpEvent
from dp_accounting.rdp import compute_epsilon

from client.privacy_ledger import read_charges
from client.spending import spent
from server.ledger import read_plan, read_state
from shared.plan_guarantees import most_participations, plan_guarantees, user_level_run
from shared.privacy import chained_log
from shared.privacy.composition import RDP_ORDERS, gaussian_epsilon, pld_epsilon, rdp_epsilon
from shared.privacy.guarantee import Guarantee
from shared.privacy.mechanisms import UserMechanism
from shared.privacy.pair_level import pair_level_event
from shared.privacy.user_level import Tolerated, UserLevelRun

# PLD's grid is pessimistic by less than this; Rényi's bound is never below it.
_TOLERANCE = 0.01
# Rényi's bound at integer orders over the exact Gaussian's ε, at most.
_RENYI_SLACK = 1.5


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure by two accountants.

    Attributes:
        unit: "user" or "pair".
        observer: whom it is against.
        epsilon: what the run states.
        by: the second accountant.
        again: what that says; None if it does not know the event.
        agrees: whether the two are compatible.
    """

    unit: str
    observer: str
    epsilon: float
    by: str
    again: float | None
    agrees: bool


@dataclass(frozen=True, kw_only=True)
class RunCheck:
    """Attributes:
    requests, releases, devices: what the ledger counts.
    guarantees: as the run states them.
    checks: each by a second accountant.
    """

    requests: int
    releases: int
    devices: int
    guarantees: tuple[Guarantee, ...]
    checks: tuple[Check, ...]


def is_device_ledger(file: Path) -> bool:
    """Whether a ledger is a device's and not a run's. Raises: ChainError, OSError."""
    return any(entry.get("kind") == "device" for entry in chained_log.read(file).entries[:1])


def check_run_ledger(file: Path) -> RunCheck:
    """Works out a run's guarantees from its ledger alone.

    Raises:
        ChainError: damaged, empty, or not a run's ledger.
        ValueError: an accountant has no finite figure.
    """
    plan = read_plan(file)
    state = read_state(file)
    if state is None:
        raise chained_log.ChainError(f"{file} holds no run")
    requests, releases, devices = len(state.asked), len(state.released), state.device_count
    given = plan_guarantees(plan, devices=devices, requests=requests, releases=releases)
    checks: list[Check] = []
    run = user_level_run(plan, devices=devices, requests=requests, releases=releases)
    if given.user is not None and run is not None and requests and releases:
        if run.tolerated is None:
            checks += _checks(given.user, "everyone", given.user.epsilon_server, run.event_for_everyone(), exact=True)
        else:
            checks += _distributed_checks(given.user, run)
        event = run.event_for_model_observer()
        if event is not None and given.user.epsilon_model_observer < given.user.epsilon_server:
            checks += _checks(given.user, "models only", given.user.epsilon_model_observer, event, exact=False)
    if given.pair is not None and plan.pair_privacy is not None and requests:
        steps = plan.training.local_steps * most_participations(plan, devices=devices, requests=requests)
        event = pair_level_event(
            noise_multiplier=plan.pair_privacy.noise_multiplier,
            sample_rate=plan.pair_privacy.sample_rate,
            steps=steps,
        )
        checks += _checks(given.pair, "everyone", given.pair.epsilon_server, event, exact=False)
    return RunCheck(
        requests=requests,
        releases=releases,
        devices=devices,
        guarantees=tuple(one for one in (given.user, given.pair) if one is not None),
        checks=tuple(checks),
    )


def check_device_ledger(file: Path, *, delta: float) -> tuple[int, float, float]:
    """Participations, and what they come to per user and per pair. Raises: LedgerError, ValueError."""
    charges = read_charges(file)
    total = spent(charges, delta=delta)
    return len(charges), total.user, total.pair


def _distributed_checks(guarantee: Guarantee, run: UserLevelRun) -> list[Check]:
    """The published bound, order by order, and the Gaussian that distributed noise comes near to and never beats."""
    epsilon, z = guarantee.epsilon_server, run.noise_multiplier
    divergences = [
        run.participations * _distributed_divergence(run.mechanism, order, z, run.tolerated) for order in RDP_ORDERS
    ]
    again = float(compute_epsilon(RDP_ORDERS, divergences, guarantee.delta)[0])
    gaussian = gaussian_epsilon(z / math.sqrt(run.participations), delta=guarantee.delta)
    return [
        Check(
            unit=guarantee.unit, observer="everyone", epsilon=epsilon, by="the bound itself, order by order",
            again=again, agrees=abs(again - epsilon) <= 1e-3 * epsilon,
        ),
        Check(
            unit=guarantee.unit, observer="everyone", epsilon=epsilon, by="Gaussian of as much noise, exact",
            again=gaussian, agrees=gaussian <= epsilon <= _RENYI_SLACK * gaussian,
        ),
    ]  # fmt: skip


def _distributed_divergence(mechanism: UserMechanism, order: int, z: float, tolerated: Tolerated | None) -> float:
    """RDP at an integer order: of Skellam noise with D2 = 256 and D1 = 256^2 / 5; or of discrete Gaussians."""
    if mechanism == "skellam":
        l2, l1 = 256.0, 256.0**2 / 5
        variance = (z * l2) ** 2
        correction = min(((2 * order - 1) * l2**2 + 6 * l1) / (4 * variance**2), 3 * l1 / (2 * variance))
        return order * l2**2 / (2 * variance) + correction
    members = 0 if tolerated is None else tolerated.contributors - 1
    return order / (2 * z**2) + 3 * 2**28 * 5 * members * math.exp(-4 * math.pi**2)


def _checks(guarantee: Guarantee, observer: str, epsilon: float, event: DpEvent, *, exact: bool) -> list[Check]:
    found: list[tuple[str, float | None, bool]] = []
    if exact:
        again = pld_epsilon(event, delta=guarantee.delta)
        agrees = epsilon * (1 - 1e-9) <= again + 1e-6 and again <= epsilon * (1 + _TOLERANCE) + 2e-3
        found.append(("PLDAccountant", again, agrees))
    bound = rdp_epsilon(event, delta=guarantee.delta)
    found.append(("RdpAccountant, integer orders", bound, bound is None or bound >= epsilon * (1 - 1e-3) - 2e-3))
    return [
        Check(unit=guarantee.unit, observer=observer, epsilon=epsilon, by=by, again=again, agrees=agrees)
        for by, again, agrees in found
    ]
