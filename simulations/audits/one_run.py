"""(b) The audit of pair-level guarantees: canary pairs in by a fair coin, on a shadow run (Steinke, Nasr and Jagielski,
2023; Andrew et al., 2023).

Two bounds on the same scores. Steinke et al.'s takes nothing for normal, and its ceiling is low: it finds noise that is
missing, not noise that is half of what it should be. The other takes the scores for normal, as the mechanism makes
them, and finds that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.ledger import count_charges
from shared.plan_guarantees import most_participations
from shared.privacy.pair_level import pair_level_epsilon
from shared.round_plan import FederationPlan
from simulations.audits.audited_run import AuditedRun
from simulations.audits.confidence import FAMILY_WISE, share_of_error
from simulations.audits.matched_filter import matched_filter
from simulations.audits.one_run_bound import Guesses, best_bound, ceiling
from simulations.audits.pair_shadow import MOST_PARTICIPATIONS, PairShadow, run_pair_shadow
from simulations.audits.registry import AuditSettings, NotApplicableError, Progress
from simulations.audits.result import AuditResult, Figure
from simulations.audits.shift_bound import ShiftBound, bound_shift, canaries_needed, shift_of_epsilon
from simulations.audits.user_shadow import NoShadowError, ShadowFailedError

_TESTS = 3  # both bounds, and normal scores of canaries that were there once
# At small errors δ leaves guesses on a part of the canaries nothing to find.
_SHARES = (0.5, 1.0)
_LEAST_CANARIES, _MOST_CANARIES = 100, 600
_MARGIN = 1.3


@dataclass(frozen=True, kw_only=True)
class PairAudit:
    """Attributes:
    steady, once: bounds for normal scores, of canaries that were there in all rounds or in the first only; None of
        none.
    guessed: Steinke et al.'s bound, and the guesses that gave it.
    """

    steady: ShiftBound
    once: ShiftBound | None
    guessed: tuple[float, Guesses]

    @property
    def best_shift(self) -> ShiftBound:
        """The higher of the bounds for normal scores."""
        found = [self.steady] if self.once is None else [self.steady, self.once]
        return max(found, key=lambda one: one.lower)

    def epsilon_at_least(self, delta: float) -> float:
        """The higher of all bounds; each has its part of the error."""
        return max(self.best_shift.epsilon_at_least(delta), self.guessed[0])


def audit(run: AuditedRun, settings: AuditSettings, progress: Progress) -> Sequence[AuditResult]:
    """Audits the pair-level claim.

    Raises:
        NotApplicableError: nothing is promised to pairs.
        ShadowFailedError: the code does not do in the shadow what it did in the run.
    """
    claimed, plan = run.claim("pair"), run.plan
    if claimed is None:
        raise NotApplicableError("the run promises its pairs nothing")
    taken = min(
        most_participations(plan, devices=plan.devices, requests=count_charges(run.files.path)), MOST_PARTICIPATIONS
    )
    try:
        claim = shadow_claim(plan, participations=taken)
        canaries = settings.canaries or default_canaries(claim, plan.delta)
        shadow = run_pair_shadow(
            plan,
            run.adapted,
            canaries=canaries,
            participations=taken,
            seed=settings.seed,
            progress=lambda done: progress(done, f"{canaries} devices train in {taken} rounds of a shadow run"),
        )
        found = judge_pairs(shadow, delta=plan.delta)
    except NoShadowError as error:
        raise NotApplicableError(f"there is no shadow run of this plan: {error}") from None
    except ValueError as error:  # what cannot be audited must not look audited
        raise ShadowFailedError(f"the shadow run cannot be judged: {error}") from None
    bound = found.epsilon_at_least(plan.delta)
    return [
        AuditResult(
            name="one-run",
            unit="pair",
            observer="sees one device's update of every round, and knows all its pairs but one, and what it drew",
            claim=claim,
            delta=plan.delta,
            lower_bound=bound,
            estimate=found.best_shift.epsilon(plan.delta),
            confidence=FAMILY_WISE,
            canaries=canaries,
            verdict="violated" if bound > claim else "holds",
            figures=_figures(found, shadow, claim=claim, of_run=claimed.epsilon_server, participations=taken),
            method="Steinke et al. (2023), theorem 5.2, and bounds for normal scores (Andrew et al., 2023); canaries "
            f"in by fair coins, one a device, {taken} rounds of a shadow run whose devices train with DP-SGD on all of "
            "their pairs",
            limits="the claim is the accountant's for the shadow run: amplification by drawing pairs is not tested; "
            "canaries are scored by their first gradient, which further local steps leave; normal scores are taken to "
            "be so in the tails, too; Steinke's bound, which takes nothing for normal, cannot exceed its ceiling; "
            "noise that is predictable in another way than by other rounds or devices of the attacker's is not found",
        )
    ]


def shadow_claim(plan: FederationPlan, *, participations: int) -> float:
    """ε that the accountant states for a shadow run, in which every pair is in every step.

    Raises:
        NoShadowError: it has no figure, or nothing is promised.
    """
    private = plan.pair_privacy
    if private is None:
        raise NoShadowError("the run promises its pairs nothing")
    try:
        return pair_level_epsilon(
            noise_multiplier=private.noise_multiplier,
            sample_rate=1.0,
            steps=plan.training.local_steps * participations,
            delta=plan.delta,
        )
    except ValueError as error:
        raise NoShadowError(f"the accountant has no figure for one that draws every pair: {error}") from None


def default_canaries(claim: float, delta: float) -> int:
    """As many as show that noise is half of what the claim needs, within what some minutes allow."""
    return min(max(_LEAST_CANARIES, canaries_for_pairs(claim, delta)), _MOST_CANARIES)


def canaries_for_pairs(claim: float, delta: float) -> int:
    """As many as show, nearly always, that noise is half of what a claim needs."""
    needed = canaries_needed(shift_of_epsilon(claim, delta), error=share_of_error(_TESTS), held_out=None)
    return int(2 * _MARGIN * needed)


def judge_pairs(shadow: PairShadow, *, delta: float) -> PairAudit:
    """What the scores of a shadow run come to.

    Raises:
        ValueError: so few canaries that nothing can be said.
    """
    canaries, rounds = shadow.included.size, shadow.rounds
    largest = float(np.abs(shadow.seen).max())
    error = share_of_error(_TESTS)
    scores: NDArray[np.float64] = np.zeros(canaries)
    for index in range(canaries):
        response = np.zeros(shadow.seen.shape[1])
        response[: 1 if shadow.once[index] else rounds] = 1.0
        scores[index] = shadow.seen[index] @ matched_filter(shadow.noise[index], response, largest=largest)
    bounds = {
        bool(once): bound_shift(
            scores[(shadow.once == once) & shadow.included],
            scores[(shadow.once == once) & ~shadow.included],
            error=error,
        )
        for once in np.unique(shadow.once)
    }
    return PairAudit(
        steady=bounds[False],
        once=bounds.get(True),
        guessed=best_bound(scores, shadow.included, shares=_SHARES, delta=delta, error=error),
    )


def _figures(
    found: PairAudit, shadow: PairShadow, *, claim: float, of_run: float, participations: int
) -> dict[str, Figure]:
    bound, guesses = found.guessed
    private, delta = shadow.plan.pair_privacy, shadow.plan.delta
    most = ceiling(canaries=len(shadow.included), delta=delta, error=share_of_error(_TESTS) / len(_SHARES))
    return {
        "shift": found.best_shift.shift,
        "shift_at_least": found.best_shift.lower,
        "shift_claimed": shift_of_epsilon(claim, delta),
        "steady_shift": found.steady.shift,
        "once_shift": None if found.once is None else found.once.shift,
        "epsilon_at_least_if_normal": found.best_shift.epsilon_at_least(delta),
        "epsilon_at_least_by_guesses": bound,
        "epsilon_ceiling_of_guesses": most,
        "guesses": guesses.made,
        "guesses_right": guesses.right,
        "canaries_that_show_half_the_noise": canaries_for_pairs(claim, delta),
        "canaries_in": int(shadow.included.sum()),
        "epsilon_claimed_by_run": of_run,
        "participations": participations,
        "local_steps": shadow.plan.training.local_steps,
        "noise_multiplier": None if private is None else private.noise_multiplier,
        "sample_rate": None if private is None else private.sample_rate,
        "max_grad_norm": None if private is None else private.max_grad_norm,
        "gradient_over_clip": shadow.gradient_over_clip,
    }
