"""(a) The one-shot canary audit of user-level guarantees (Andrew et al., 2023, arXiv:2302.03098), on a shadow run.

Two observers. *Sums*: whoever sees every round's noised sum; under masks that is the server with the devices that work
for it, elsewhere whoever is not the server. *Models*: whoever sees the released models. Both know who took part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.ledger import count_charges
from server.releases import read_rounds
from shared.adapter import AdaptedModel
from shared.plan_guarantees import user_level_run
from shared.privacy.user_level import epsilon_for_everyone
from shared.round_plan import FederationPlan
from simulations.audits.audited_run import AuditedRun
from simulations.audits.canary_directions import CanaryDirections, room_for
from simulations.audits.confidence import FAMILY_WISE, share_of_error
from simulations.audits.matched_filter import matched_filter, noise_covariance
from simulations.audits.registry import AuditSettings, NotApplicableError, Progress
from simulations.audits.result import AuditResult, Figure
from simulations.audits.shift_bound import ShiftBound, bound_shift, canaries_needed, shift_of_epsilon
from simulations.audits.user_shadow import (
    MOST_PARTICIPATIONS,
    NoShadowError,
    Shadow,
    ShadowFailedError,
    ShadowLayout,
    lay_out,
    least_dimension,
    run_shadow,
)

Observer = Literal["sums", "models"]
_OBSERVERS: Sequence[Observer] = ("sums", "models")
_HELD_OUT = 2000
_LEAST_CANARIES = 60
# The filter is learnt, and some canaries speak only once.
_MARGIN = 1.3
_TESTS = 2 * len(_OBSERVERS)


@dataclass(frozen=True, kw_only=True)
class UserAudit:
    """What one observer found.

    Attributes:
        steady: of canaries that spoke in all their participations.
        once: of canaries that spoke in the first alone; None where there is but one.
    """

    steady: ShiftBound
    once: ShiftBound | None

    @property
    def best(self) -> ShiftBound:
        """The one with the higher bound. Each was given its part of the error."""
        found = [self.steady] if self.once is None else [self.steady, self.once]
        return max(found, key=lambda one: one.lower)


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """Audits the user-level claim.

    Raises:
        NotApplicableError: nothing is promised to users, or there is no room for canaries.
        ShadowFailedError: the code does not do in the shadow what it did in the run.
    """
    claimed = run.claim("user")
    promised = user_level_run(
        run.plan,
        devices=run.plan.devices,
        requests=count_charges(run.files.path),
        releases=len(read_rounds(run.files.path)),
    )
    if claimed is None or promised is None:
        raise NotApplicableError("the run promises its users nothing")
    claim, taken = claimed.epsilon_server, promised.participations
    if taken > MOST_PARTICIPATIONS and run.plan.user_privacy is not None and not _is_correlated(run.plan):
        taken = MOST_PARTICIPATIONS
        claim = epsilon_for_everyone(replace(promised, participations=taken), delta=claimed.delta)
    try:
        layout, directions, shadow = shadow_of(
            run.plan,
            run.adapted,
            claim=claim,
            participations=taken,
            canaries=settings.canaries,
            seed=settings.seed,
            progress=progress,
        )
        found = {observer: judge(layout, directions, shadow, observer) for observer in _OBSERVERS}
    except NoShadowError as error:
        raise NotApplicableError(f"there is no shadow run of this plan: {error}") from None
    except ValueError as error:  # what cannot be audited must not look audited
        raise ShadowFailedError(f"the shadow run cannot be judged: {error}") from None
    return [
        _result(
            run, layout, shadow, observer, found[observer], claim=claim, delta=claimed.delta,
            of_run=claimed.epsilon_server, trusted=claimed.server_is_trusted,
        )
        for observer in _OBSERVERS
    ]  # fmt: skip


def shadow_of(
    plan: FederationPlan,
    adapted: AdaptedModel,
    *,
    claim: float,
    participations: int,
    canaries: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[ShadowLayout, CanaryDirections, Shadow]:
    """A shadow run with as many canaries as are given, or as show that noise is half of what a claim needs.

    Args:
        claim: ε of a user at the plan's δ.
        participations: of a device, which the claim is for.

    Raises:
        NoShadowError, ValueError: see `simulations.audits.user_shadow`.
    """
    dimension = least_dimension(plan, adapted)
    if canaries is None:
        wanted = max(_LEAST_CANARIES, canaries_for(claim, plan.delta, dimension=dimension))
        canaries = min(wanted, room_for(dimension) // 3)
    layout = lay_out(plan, canaries=canaries, participations=participations)
    directions = CanaryDirections(dimension, wanted=layout.canaries + _HELD_OUT, seed=seed)
    if directions.count < 2 * layout.canaries:
        raise NoShadowError(f"{dimension} shared numbers have no room for {layout.canaries} canaries")
    shadow = run_shadow(
        layout,
        adapted,
        directions,
        progress=None if progress is None else lambda done, of: progress(done / of, f"round {done} of {of}"),
    )
    return layout, directions, shadow


def canaries_for(claim: float, delta: float, *, dimension: int) -> int:
    """As many as show, nearly always, that noise is half of what a claim needs."""
    left = max(100, min(_HELD_OUT, room_for(dimension) // 2) // 2)  # half of the others teach the filter
    needed = canaries_needed(shift_of_epsilon(claim, delta), error=share_of_error(_TESTS), held_out=left)
    return int(_MARGIN * needed)


def judge(layout: ShadowLayout, directions: CanaryDirections, shadow: Shadow, observer: Observer) -> UserAudit:
    """What an observer's scores come to.

    Half of the directions without a canary teach the filter; the others are the canaries that were not in.

    Raises:
        NoShadowError: so few directions that nothing can be learnt from them; ValueError: scores that are not finite.
    """
    held_out = np.arange(layout.canaries, directions.count)
    teaching, outside = held_out[::2], held_out[1::2]
    inside: dict[bool, list[NDArray[np.float64]]] = {True: [], False: []}
    out: dict[bool, list[NDArray[np.float64]]] = {True: [], False: []}
    by_canary = {role.canary: role.once for role in layout.roles.values() if role.canary is not None}
    for group in range(layout.groups):
        own = list(layout.rounds_of(group))
        if not own:
            continue
        seen, rounds = _observations(layout, shadow, observer, own)
        if len(teaching) <= 2 * len(rounds):
            raise NoShadowError(
                f"{directions.count} directions do not tell how {len(rounds)} rounds' noise goes together"
            )
        members = range(group * layout.canaries_a_group, (group + 1) * layout.canaries_a_group)
        for once in (False, True):
            chosen = [canary for canary in members if by_canary[canary] == once]
            if not chosen:
                continue
            spoken = own[:1] if once else own
            response = np.array([float(number in spoken) for number in rounds])
            weights = matched_filter(noise_covariance(seen[:, teaching].T), response, largest=float(np.abs(seen).max()))
            inside[once].append(weights @ seen[:, chosen])
            out[once].append(weights @ seen[:, outside[group :: layout.groups]])
    error = share_of_error(_TESTS)
    steady = bound_shift(np.concatenate(inside[False]), np.concatenate(out[False]), error=error, centred=True)
    once_only = None
    if inside[True]:
        once_only = bound_shift(np.concatenate(inside[True]), np.concatenate(out[True]), error=error, centred=True)
    return UserAudit(steady=steady, once=once_only)


def _observations(
    layout: ShadowLayout, shadow: Shadow, observer: Observer, own: Sequence[int]
) -> tuple[NDArray[np.float64], Sequence[int]]:
    """(p, directions) what is looked at together for a group's canaries, and the round of each; -1 for what no canary
    can move.

    Beside a group's own rounds the ones next to them, in which it was not: noise that is used again shows there.
    """
    last = layout.plan.rounds - 1
    rounds = (
        range(last + 1) if layout.all_rounds else sorted({*own, *(one + 1 if one < last else one - 1 for one in own)})
    )
    seen = getattr(shadow, observer)[list(rounds)]
    if observer == "models" or layout.colluding == 0:
        return seen, list(rounds)
    known = shadow.colluders[list(own)]
    return np.concatenate([seen, known]), [*rounds, *(-1 for _ in own)]


def _result(
    run: AuditedRun,
    layout: ShadowLayout,
    shadow: Shadow,
    observer: Observer,
    found: UserAudit,
    *,
    claim: float,
    delta: float,
    of_run: float,
    trusted: bool,
) -> AuditResult:
    best = found.best
    bound = best.epsilon_at_least(delta)
    shadowed = layout.plan
    user = shadowed.user_privacy
    figures: dict[str, Figure] = {
        "shift": best.shift,
        "shift_at_least": best.lower,
        "shift_claimed": shift_of_epsilon(claim, delta),
        "steady_shift": found.steady.shift,
        "steady_canaries": found.steady.canaries_in,
        "once_shift": None if found.once is None else found.once.shift,
        "once_canaries": 0 if found.once is None else found.once.canaries_in,
        "canaries_that_show_half_the_noise": canaries_for(
            claim, delta, dimension=least_dimension(shadowed, run.adapted)
        ),
        "canaries_held_out": found.steady.canaries_out,
        "epsilon_claimed_by_run": of_run,
        "participations": layout.participations,
        "rounds": shadowed.rounds,
        "cohort": shadowed.cohort_size,
        "colluding": layout.colluding,
        "vanishing": layout.vanishing,
        "replies_in_a_sum": shadow.replies,
        "mechanism": None if user is None else user.mechanism,
        "noise_multiplier": None if user is None else user.noise_multiplier,
        "dimension": least_dimension(shadowed, run.adapted),
    }
    return AuditResult(
        name="canaries",
        unit="user",
        observer=_observer(layout, observer, trusted=trusted),
        claim=claim,
        delta=delta,
        lower_bound=bound,
        estimate=best.epsilon(delta),
        confidence=FAMILY_WISE,
        canaries=layout.canaries,
        verdict="violated" if bound > claim else "holds",
        figures=figures,
        method="Andrew et al. (2023) with canaries of disjoint support, the best linear filter over rounds and known "
        f"noise, and exact bounds for normal scores; a shadow run of {shadowed.rounds} rounds, each device in "
        f"{layout.participations} of them, no model trained",
        limits="scores are taken for normal, also in the tails that δ is about; noise that is predictable in another "
        "way than by other rounds or by colluding devices, what training does before clipping, how cohorts are drawn "
        "and any amplification by sampling are not tested",
    )


def _observer(layout: ShadowLayout, observer: Observer, *, trusted: bool) -> str:
    if observer == "models":
        return "sees every released model, and knows who took part when"
    if trusted:
        return "sees every round's noised sum, and knows who took part when"
    return (
        f"the server: sees every unmasked sum, knows the noise of {layout.colluding} and lost {layout.vanishing} of "
        f"{layout.plan.cohort_size} devices"
    )


def _is_correlated(plan: FederationPlan) -> bool:
    return plan.user_privacy is not None and plan.user_privacy.mechanism == "banded-gaussian"
