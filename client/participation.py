"""Whether this device answers a request: policy, ledger and what was answered before, in that order, failing closed.

    check    the plan and the server against the policy; what it would come to against the ledger
    charge   the ledger is debited, before anything is trained
    keep     the reply is on disk, and the ledger knows it, before it is sent

Killed at any point, a device has charged for everything it may have sent. A request that comes again is answered with
the bytes that were kept; one that was charged and never answered is trained again, since nothing of it left.
"""

from __future__ import annotations

from collections.abc import Sequence

from client.answered import AnsweredError, AnsweredRounds
from client.device import DeclinedError
from client.known_peers import KnownPeers
from client.plan_checks import check_plan, check_server
from client.privacy_ledger import Charge, LedgerError, PrivacyLedger
from client.privacy_policy import PrivacyPolicy
from client.spending import check_total
from shared.messages import TrainReply, TrainRequest
from shared.plan_sessions import session_of
from shared.secagg.session_terms import Member


class Participation:
    """The gate of one device. Not for two threads."""

    def __init__(
        self,
        *,
        policy: PrivacyPolicy | None,
        ledger: PrivacyLedger,
        answered: AnsweredRounds,
        peers: KnownPeers | None = None,
        identity: str = "",
        server_key: str | None = None,
    ) -> None:
        """Args:
        policy: None answers nothing.
        peers: whom this device has met; None aggregates with nobody.
        identity: its public key, hex.
        server_key: public key, hex, of the one server that may ask; None leaves that to the policy.
        """
        self._peers = peers
        self._identity = identity
        self._server_key = server_key
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
                if request.cohort is not None and self._peers is not None and policy.secure is not None:
                    self._peers.remember(request.cohort, organiser=policy.secure.organiser)
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
        check_server(policy, request, server_key=self._server_key)
        check_plan(policy, request.plan)
        if request.plan.secure_aggregation is not None:
            self._check_cohort(policy, request)
        return policy

    def _check_cohort(self, policy: PrivacyPolicy, request: TrainRequest) -> None:
        """This device's part of a cohort: as many as planned, enrolled, who they were, and it itself among them."""
        cohort = request.cohort
        if cohort is None or self._peers is None or policy.secure is None:
            raise DeclinedError("this device has nobody to aggregate securely with")
        if len(cohort.members) not in {part.members for part in request.plan.parts()}:
            raise DeclinedError(f"a part of {len(cohort.members)} devices is not one that the plan has")
        if Member(number=request.device, identity=self._identity) not in cohort.members:
            raise DeclinedError("the cohort does not have this device under its own identity")
        self._peers.check(cohort, organiser=policy.secure.organiser)
        try:
            # No update holds more than the state, and the model that says how much is not loaded yet.
            session_of(request, dimension=request.vector.size)
        except ValueError as error:
            raise DeclinedError(f"secure aggregation: {error}") from None


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


def _place(charge: Charge) -> tuple[str, int, int]:
    return charge.run, charge.round_number, charge.attempt


def _place_of(request: TrainRequest) -> tuple[str, int, int]:
    return request.run, request.round_number, request.attempt
