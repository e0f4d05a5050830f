"""Whether this device answers a request: policy, ledger and what was answered before, in that order, failing closed.

    check    the plan and the server against the policy; what it would come to against the ledger
    charge   the ledger is debited, before anything is trained
    keep     the reply is on disk, and the ledger knows it, before it is sent

Killed at any point, a device has charged for everything it may have sent. A request that comes again is answered with
the bytes that were kept; one that was charged and never answered is trained again, since nothing of it left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from dp_accounting import DpEvent, GaussianDpEvent, SelfComposedDpEvent

from client.answered import AnsweredError, AnsweredRounds
from client.device import DeclinedError
from client.privacy_ledger import Charge, LedgerError, PrivacyLedger
from client.privacy_policy import PrivacyPolicy, UnitLimits
from shared.messages import TrainReply, TrainRequest
from shared.plan_guarantees import user_level_run
from shared.privacy.composition import total_epsilon
from shared.privacy.guarantee import format_epsilon
from shared.privacy.pair_level import pair_level_event
from shared.privacy.user_level import epsilon_for_everyone
from shared.round_plan import FederationPlan
from shared.server_identity import is_signed


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a device's answers come to at its own δ, each unit by itself.

    Attributes:
        user, pair: ε; 0 where nothing was answered under such a guarantee.
        unprotected_users, unprotected_pairs: answers that did not protect the unit, for which there is no ε.
    """

    user: float
    pair: float
    unprotected_users: int
    unprotected_pairs: int


class Participation:
    """The gate of one device. Not for two threads."""

    def __init__(self, *, policy: PrivacyPolicy | None, ledger: PrivacyLedger, answered: AnsweredRounds) -> None:
        """Args:
        policy: None answers nothing.
        """
        self._policy = policy
        self._ledger = ledger
        self._answered = answered

    def check(self, request: TrainRequest) -> None:
        """Whether the policy lets this server ask this plan at all.

        Raises:
            DeclinedError: it does not.
        """
        try:
            self._check_policy(request)
        except DeclinedError as error:
            self._ledger.note_refusal(request.run, request.round_number, str(error))
            raise

    def admit(self, request: TrainRequest) -> TrainReply | None:
        """Checks a request and charges for it; the reply that was sent before, if this very request was answered.

        Raises:
            DeclinedError: it is not to be answered.
        """
        try:
            return self._admit(request)
        except DeclinedError as error:
            self._ledger.note_refusal(request.run, request.round_number, str(error))
            raise

    def _admit(self, request: TrainRequest) -> TrainReply | None:
        try:
            policy = self._check_policy(request)
            with self._ledger.locked():
                charges = self._ledger.charges()
                same = next((one for one in charges if _place(one) == _place_of(request)), None)
                if same is not None:
                    return self._again(request, same)
                check_schedule(request, charges)
                check_total(policy, request.plan, request, charges)
                self._ledger.charge(request)
                return None
        except (LedgerError, AnsweredError) as error:
            raise DeclinedError(str(error)) from None

    def keep(self, request: TrainRequest, reply: TrainReply) -> TrainReply:
        """Records a reply; what is to be sent, which is another process's where that was first.

        Raises:
            DeclinedError: it cannot be recorded, so nothing must be sent.
        """
        if not request.plan.is_private:
            return reply  # nothing is promised that a second answer could break
        try:
            with self._ledger.locked():
                same = next((one for one in self._ledger.charges() if _place(one) == _place_of(request)), None)
                if same is None or same.request != request.digest():
                    raise DeclinedError("the ledger knows no charge for this reply")
                if same.reply is not None:
                    return self._answered.find(request, same.reply)
                self._ledger.record_reply(request, self._answered.keep(request, reply))
                return reply
        except (AnsweredError, LedgerError, OSError) as error:
            raise DeclinedError(f"the reply cannot be recorded ({type(error).__name__})") from None

    def _again(self, request: TrainRequest, same: Charge) -> TrainReply | None:
        if same.request != request.digest():
            raise DeclinedError(
                f"round {request.round_number} of this run was asked before with other words: a second answer would "
                "tell the difference"
            )
        if same.reply is None:
            return None
        return self._answered.find(request, same.reply)

    def _check_policy(self, request: TrainRequest) -> PrivacyPolicy:
        policy = self._policy
        if policy is None:
            raise DeclinedError("this device has no privacy policy: write one with `tacit policy init`")
        check_server(policy, request)
        check_plan(policy, request.plan)
        return policy


def check_server(policy: PrivacyPolicy, request: TrainRequest) -> None:
    """Raises: DeclinedError: the request is not signed by a server that the policy names."""
    if not policy.servers and not request.server:
        return
    if not is_signed(request):
        raise DeclinedError("the request is not signed by the server that it names")
    if policy.servers and request.server not in policy.servers:
        raise DeclinedError("the policy does not name the server that asks")


def check_plan(policy: PrivacyPolicy, plan: FederationPlan) -> None:
    """A plan against a policy, whatever was answered before.

    Raises:
        DeclinedError: it is weaker than the policy asks.
    """
    protects = {"user": plan.user_privacy is not None, "pair": plan.pair_privacy is not None}
    if policy.require == "either" and not any(protects.values()):
        raise DeclinedError("the plan protects neither users nor pairs")
    if policy.require in protects and not protects[policy.require]:
        raise DeclinedError(f"the plan does not protect one {policy.require}, and the policy requires it")
    limit = None if plan.user_privacy is None else plan.user_privacy.cohort_limit
    cohort = min(plan.cohort_size, plan.devices, plan.cohort_size if limit is None else limit)
    if cohort < policy.minimum_cohort:
        raise DeclinedError(f"cohorts of {cohort} are smaller than the policy's {policy.minimum_cohort}")
    terms = plan.user_privacy
    if terms is not None and policy.user is not None:
        if terms.mechanism not in policy.user.mechanisms:
            raise DeclinedError(f"the policy does not allow the mechanism {terms.mechanism}")
        if not policy.user.trust_the_server_to_add_noise:
            raise DeclinedError("the server would add the noise, and the policy does not trust it to")
        _check_noise("user", terms.noise_multiplier, policy.user)
    if plan.pair_privacy is not None and policy.pair is not None:
        _check_noise("pair", plan.pair_privacy.noise_multiplier, policy.pair)
    try:
        planned = _planned(plan, policy.delta)
    except (ArithmeticError, MemoryError, ValueError) as error:
        raise DeclinedError(f"the plan has no finite epsilon ({type(error).__name__})") from None
    for unit, epsilon, limits in (("user", planned[0], policy.user), ("pair", planned[1], policy.pair)):
        if epsilon is None:
            continue
        if limits is None:
            if policy.require == "none":
                continue
            raise DeclinedError(f"the plan protects one {unit}, and the policy does not say how far is far enough")
        if epsilon > limits.max_epsilon_per_run:
            raise DeclinedError(
                f"the run would come to ε = {format_epsilon(epsilon)} per {unit} at this device's δ, "
                f"and the policy allows {format_epsilon(limits.max_epsilon_per_run)}"
            )


def check_schedule(request: TrainRequest, charges: Sequence[Charge]) -> None:
    """The participation cap and the separation, by the device's own count.

    Raises:
        DeclinedError: it took part as often as it may, or too recently; or the run changed its plan.
    """
    of_run = [charge for charge in charges if charge.run == request.run]
    if any(charge.plan_digest != request.plan.digest() for charge in of_run):
        raise DeclinedError("the run goes on under another plan than it began with")
    terms = request.plan.user_privacy
    if terms is None:
        return
    if len(of_run) >= terms.participations:
        raise DeclinedError(f"this device took part in this run {len(of_run)} times, as often as it may")
    for charge in of_run:
        # Another attempt of one round is another charge, unless the plan keeps participations apart.
        if terms.separation > 1 and abs(request.round_number - charge.round_number) < terms.separation:
            raise DeclinedError(
                f"this device took part in round {charge.round_number}, and its rounds lie {terms.separation} apart"
            )


def check_total(policy: PrivacyPolicy, plan: FederationPlan, request: TrainRequest, charges: Sequence[Charge]) -> None:
    """Everything answered so far and this request, composed.

    Raises:
        DeclinedError: it would come to more than the policy allows.
    """
    after = [*charges, charge_of(request)]
    for unit, limits, is_protected in (
        ("user", policy.user, plan.user_privacy is not None),
        ("pair", policy.pair, plan.pair_privacy is not None),
    ):
        if limits is None or not is_protected:
            continue
        total = _total(unit, after, policy.delta)
        if total > limits.max_epsilon_in_total:
            raise DeclinedError(
                f"with this answer the device would have spent ε = {format_epsilon(total)} per {unit} in all, and the "
                f"policy allows {format_epsilon(limits.max_epsilon_in_total)}"
            )


def charge_of(request: TrainRequest) -> Charge:
    """The charge that answering a request would be."""
    return Charge(
        run=request.run,
        round_number=request.round_number,
        attempt=request.attempt,
        request=request.digest(),
        plan_digest=request.plan.digest(),
        plan=request.plan,
        server=request.server,
        reply=None,
    )


def spent(charges: Sequence[Charge], *, delta: float) -> Spent:
    """What a device's participations come to at δ; infinity where the accountant has no figure."""
    return Spent(
        user=_total("user", charges, delta),
        pair=_total("pair", charges, delta),
        unprotected_users=sum(charge.plan.user_privacy is None for charge in charges),
        unprotected_pairs=sum(charge.plan.pair_privacy is None for charge in charges),
    )


def _total(unit: str, charges: Sequence[Charge], delta: float) -> float:
    events: list[DpEvent] = []
    whole_runs: set[str] = set()
    for charge in charges:
        user, pair = charge.plan.user_privacy, charge.plan.pair_privacy
        if unit == "user" and user is not None:
            if user.mechanism == "banded-gaussian":
                # One release covers all participations that the plan allows.
                if charge.run in whole_runs:
                    continue
                whole_runs.add(charge.run)
            events.append(GaussianDpEvent(user.noise_multiplier))
        elif unit == "pair" and pair is not None:
            events.append(_pair_event(charge.plan))
    try:
        return total_epsilon(events, delta=delta)
    except (ArithmeticError, MemoryError, ValueError):
        return math.inf  # so little noise somewhere that nothing can be said


def _check_noise(unit: str, noise_multiplier: float, limits: UnitLimits) -> None:
    if noise_multiplier < limits.minimum_noise_multiplier:
        raise DeclinedError(
            f"a noise multiplier of {noise_multiplier:g} per {unit} is below the policy's "
            f"{limits.minimum_noise_multiplier:g}"
        )


@lru_cache(maxsize=16)
def _planned(plan: FederationPlan, delta: float) -> tuple[float | None, float | None]:
    """ε per user and per pair of a whole run, by this device's own accountant; None where the plan protects none.

    A device counts on no cohort, no sampling and no schedule but its own cap: the figure is that against everyone.
    """
    user = user_level_run(plan, devices=1, requests=plan.rounds * plan.attempts, releases=plan.rounds)
    most = plan.rounds * plan.attempts if plan.user_privacy is None else plan.user_privacy.participations
    return (
        None if user is None else epsilon_for_everyone(replace(user, participations=most), delta=delta),
        None
        if plan.pair_privacy is None
        else total_epsilon([SelfComposedDpEvent(_pair_event(plan), most)], delta=delta),
    )


def _pair_event(plan: FederationPlan) -> DpEvent:
    if plan.pair_privacy is None:
        raise ValueError("the plan protects no pairs")
    return pair_level_event(
        noise_multiplier=plan.pair_privacy.noise_multiplier,
        sample_rate=plan.pair_privacy.sample_rate,
        steps=plan.training.local_steps,
    )


def _place(charge: Charge) -> tuple[str, int, int]:
    return charge.run, charge.round_number, charge.attempt


def _place_of(request: TrainRequest) -> tuple[str, int, int]:
    return request.run, request.round_number, request.attempt
