"""The strategy: a cohort trains the adapter, the server makes the next state of their updates.

The updates come with the replies, or, where aggregation is secure, only their sum comes, after more messages
(`server.secure_sum`). Where users are private the mean is a noised sum over the PLANNED cohort: fewer replies make
neither the noise smaller nor the rest larger. A wrapper is a `Strategy` around this one, and leaves cohort, checks and
step to it.
"""

from __future__ import annotations

# Flower's interface names arguments that not every strategy needs.
# ruff: noqa: ARG002
import logging
import math
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from server.adapter_step import AdapterStep
from server.cohorts import Cohorts
from server.roster import Roster, stream
from server.round_record import CohortMetrics, NodeFailure
from server.secure_sum import Enrolment, Joined, sum_securely
from server.strategies.asked import Asked, Waiting
from server.strategies.cohort_updates import CohortUpdates
from shared.adapter_spec import AdapterSpec
from shared.messages import TRAIN, PublicMetrics, TrainReply, TrainRequest, from_array_record, to_array_record
from shared.privacy.clipping import l2_norm
from shared.privacy.mechanisms import SumMechanism
from shared.records import MessageError
from shared.round_plan import FederationPlan
from shared.secagg.enrolment import CohortRoster
from shared.secagg.session_terms import cut_into_parts
from shared.server_identity import ServerKey

_LOG = logging.getLogger(__name__)
# Float32 rounding of a clipped update, as `shared.privacy.clipping` bounds it, is below this; more is a lie.
_NORM_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class CohortOutcome:
    """What became of the last cohort.

    Attributes:
        cohort: devices asked.
        replies: updates in the mean.
        no_pairs: devices without pairs.
        failures: devices left out.
        step_norm: L2 of the server's step; 0 if there was none.
        noise_std: standard deviation of the noise on one number of the mean update; 0 without any.
        metrics: None in a private run, or without replies.
        aggregation_error, aggregation_seconds: as `RoundRecord`.
        bytes_down, bytes_up: of the messages after training, of the device that had most; 0 where there are none.
    """

    cohort: int
    replies: int
    no_pairs: int
    failures: tuple[NodeFailure, ...]
    step_norm: float
    noise_std: float
    metrics: CohortMetrics | None
    bytes_down: int = 0
    bytes_up: int = 0
    aggregation_error: float | None = None
    aggregation_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class _Usable:
    asked: Asked
    keys: bytes
    metrics: PublicMetrics | None


@dataclass(frozen=True, kw_only=True)
class _Next:
    """What a cohort's updates make of the state: None of too few. `noise_std` is that of one number of their mean."""

    replies: int
    state: NDArray[np.float32] | None
    noise_std: float = 0.0
    aggregation_error: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0


class AdapterAveraging(Strategy):
    """Attributes:
    roster: who can be asked; set anew when devices come and go.
    outcome: of the last `aggregate_train`.
    """

    def __init__(
        self,
        *,
        plan: FederationPlan,
        spec: AdapterSpec,
        roster: Roster,
        run: str,
        cohorts: Cohorts,
        step: AdapterStep,
        mechanisms: Sequence[SumMechanism | None] = (None,),
        enrolment: Enrolment | None = None,
        signing_key: ServerKey | None = None,
    ) -> None:
        """Args:
            run: the run's own name (`server.ledger`).
            step: makes the next state of updates.
            mechanisms: what noises a round's sum, by the method's turns; must be there exactly if the plan has the
                server do it.
            enrolment: who may be in a cohort; must be there where aggregation is secure.
            signing_key: signs every request; None signs none.

        Raises:
            ValueError: they are not.
        """
        noised_here = plan.user_privacy is not None and plan.secure_aggregation is None
        if any((mechanism is not None) != noised_here for mechanism in mechanisms):
            raise ValueError("a plan's central noise and its mechanism go together")
        if plan.secure_aggregation is not None and enrolment is None:
            raise ValueError("secure aggregation needs a roster of enrolled devices")
        self._enrolment = enrolment
        self._grid: Grid | None = None
        self._run = run
        self._cohorts = cohorts
        self._mechanisms = mechanisms
        self._step = step
        self._round = 0
        self._seconds = 0.0
        self._signing_key = signing_key
        self._plan = plan
        self._spec = spec
        self.roster = roster
        self.outcome: CohortOutcome | None = None
        self._start: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._attempt = 1
        self._asked: list[Asked] = []
        self._same: dict[str, ArrayRecord | ConfigRecord | MetricRecord] = {}
        self._gone: list[int] = []
        self._cohort = 0

    def summary(self) -> None:
        """Logs what this strategy does."""
        _LOG.info(
            "%s: %d rounds, cohorts of %d, %d shared parameters, privacy unit: %s",
            self._plan.adapter.method, self._plan.rounds, self._plan.cohort_size, self._spec.dimension,
            self._plan.privacy_unit,
        )  # fmt: skip

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One request for each device of the cohort that is there, in the order of device numbers.

        `config` holds the `attempt`, and the request's `place` in the ledger.

        Raises:
            PrivacyBudgetExhausted: see `server.cohorts`.
            EnrolmentError: a device of the cohort is not enrolled.
        """
        attempt, place = config["attempt"], config["place"]
        if not isinstance(attempt, int) or not isinstance(place, int):
            raise TypeError("attempt and place must be integers")
        self._attempt = attempt
        self._start = from_array_record(arrays, dimension=self._spec.state_dimension)
        self._round = server_round
        cohort = self._cohorts.draw(self.roster, round_number=server_round, attempt=attempt, place=place)
        self._cohort = len(cohort)
        self._gone = [device for device in cohort if not self.roster.knows(device)]
        there = [device for device in cohort if self.roster.knows(device)]
        parts = self._parts(cohort)  # who is gone is a member that vanished: no part is smaller than planned
        self._same = {}
        self._asked = [self._ask(server_round, device, parts.get(device)) for device in there]
        self._grid = grid
        return [asked.message for asked in self._asked]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The adapter after the server's step; None with fewer usable replies than the plan's minimum.

        Replies may come as they are pulled: what is held of them is what `CohortUpdates` says. The result does not
        depend on the order of the replies, nor on whom they name as their source.
        """
        updates = CohortUpdates(
            self._step, self._mechanism, dimension=self._spec.update_dimension(self._round),
            compared=not self._plan.is_private,
        )  # fmt: skip
        usable: list[_Usable] = []
        unusable: dict[int, str] = {}
        no_pairs = 0
        waiting = Waiting(self._asked)
        for reply in replies:  # which may come while this runs: an update is added, and let go
            asked = waiting.pop(reply.metadata.reply_to_message_id)
            if asked is None:
                continue
            said = self._read(reply, asked)
            if isinstance(said, str):
                unusable[asked.device] = said
            elif said.status == "no-pairs":
                no_pairs += 1
            else:
                usable.append(_Usable(asked=asked, keys=said.keys, metrics=said.metrics))
                if said.vector is not None:
                    updates.add(asked.device, said.vector)
        usable.sort(key=lambda one: one.asked.device)
        unusable |= dict.fromkeys((asked.device for asked in waiting.left()), "timeout")
        failures = [NodeFailure(node=0, device=device, attempt=self._attempt, reason="gone") for device in self._gone]
        for device, reason in sorted(unusable.items()):
            node = self.roster.node(device)
            failures.append(NodeFailure(node=node, device=device, attempt=self._attempt, reason=reason))
            _LOG.warning("node %d (device %d) is left out of round %d: %s", node, device, server_round, reason)
        self._seconds = 0.0
        found = self._next(updates, usable, failures)
        released: ArrayRecord | None = None
        step_norm = 0.0
        if found.state is not None:
            released = to_array_record(found.state)
            step_norm = l2_norm(found.state.astype(np.float64) - self._start)
        self.outcome = CohortOutcome(
            cohort=self._cohort,
            replies=found.replies,
            no_pairs=no_pairs,
            failures=tuple(failures),
            step_norm=step_norm,
            noise_std=found.noise_std,
            metrics=_cohort_metrics(
                [one.metrics for one in usable if one.metrics is not None],
                clipping_norm=self._plan.clipping_norm,
            ),
            bytes_down=found.bytes_down,
            bytes_up=found.bytes_up,
            aggregation_error=found.aggregation_error,
            aggregation_seconds=self._seconds,
        )
        return released, MetricRecord({"replies": found.replies, "failures": len(failures)})

    @property
    def _mechanism(self) -> SumMechanism | None:
        return self._mechanisms[(self._round - 1) % len(self._mechanisms)]

    def _next(self, updates: CohortUpdates, usable: Sequence[_Usable], failures: list[NodeFailure]) -> _Next:
        if self._plan.secure_aggregation is not None:
            return self._next_under_masks(usable, failures)
        # A Poisson round is released whoever answers: to hold one back would make its cohort another kind of sample.
        if updates.count < (0 if self._plan.sampling == "poisson" else self._plan.minimum_replies):
            return _Next(replies=updates.count, state=None)
        mechanism, number = self._mechanism, self._round
        if mechanism is None:
            if not updates.count:  # a Poisson round that drew nobody
                return _Next(replies=0, state=self._start)
            with self._timed():
                state = updates.next_state(self._start, round_number=number)
            error = None if self._plan.is_private else updates.error(self._start, state, round_number=number)
            return _Next(replies=updates.count, state=state, aggregation_error=error)
        size = self._plan.cohort_size
        with self._timed():
            state = self._step.from_mean(self._start, updates.noised() / size, round_number=number)
        return _Next(replies=updates.count, state=state, noise_std=mechanism.noise_std / size)

    def _next_under_masks(self, usable: Sequence[_Usable], failures: list[NodeFailure]) -> _Next:
        secure = self._plan.secure_aggregation
        if self._grid is None or secure is None:
            raise RuntimeError("no cohort was asked")
        nodes = {one.asked.device: one.asked.message.metadata.dst_node_id for one in usable}
        summed = sum_securely(
            [Joined(request=one.asked.request, node=nodes[one.asked.device], keys=one.keys) for one in usable],
            grid=self._grid,
            dimension=self._spec.update_dimension(self._round),
            timeout=secure.stage_timeout,
            group=usable[0].asked.message.metadata.group_id if usable else "",
        )
        for device, reason in sorted(summed.failures.items()):
            failures.append(NodeFailure(node=nodes[device], device=device, attempt=self._attempt, reason=reason))
            _LOG.warning("device %d: %s", device, reason)
        replies = len(summed.summed)
        enough = replies >= self._plan.minimum_replies
        size = max(replies, 1) if self._plan.user_privacy is None else self._plan.cohort_size
        mean, state = summed.total / size, None
        if enough:
            with self._timed():
                state = self._step.from_mean(self._start, mean, round_number=self._round)
        return _Next(
            replies=replies,
            state=state,
            noise_std=math.sqrt(summed.noise_variance) / size,
            bytes_down=max(summed.bytes_down.values(), default=0),
            bytes_up=max(summed.bytes_up.values(), default=0),
        )

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - began

    def _parts(self, devices: Sequence[int]) -> dict[int, CohortRoster]:
        """What each device is told of its part of the cohort; nothing where updates come by themselves."""
        secure = self._plan.secure_aggregation
        if secure is None or self._enrolment is None:
            return {}
        parts = cut_into_parts(devices, part_size=secure.part_size)
        rosters = [self._enrolment.cohort(part, part=number) for number, part in enumerate(parts)]
        return {member.number: roster for roster in rosters for member in roster.members}

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Nothing: evaluation on devices is another strategy's."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Nothing."""
        return None

    def _ask(self, server_round: int, device: int, cohort: CohortRoster | None) -> Asked:
        seed = stream(f"training/{self._plan.seed}/{server_round}/{device}").integers(2**63)
        request = TrainRequest(
            round_number=server_round,
            attempt=self._attempt,
            run=self._run,
            device=device,
            plan=self._plan,
            spec_digest=self._spec.digest(),
            base_fingerprint=self._spec.base_fingerprint,
            training_seed=0 if self._plan.is_private else int(seed),
            vector=self._start,
            cohort=cohort,
        )
        if self._signing_key is not None:
            request = self._signing_key.sign(request)
        record = request.to_record()
        for name in ("shared", "plan"):  # the same for all: a message a device must not hold it once more
            record[name] = self._same.setdefault(name, record[name])
        message = Message(
            record,
            self.roster.node(device),
            TRAIN,
            ttl=self._plan.round_timeout,
            group_id=f"{server_round}.{self._attempt}",
        )
        return Asked(device=device, message=message, request=request, digest=request.digest())

    def _read(self, reply: Message, asked: Asked) -> TrainReply | str:
        """A reply that can be used, or why this one cannot."""
        if reply.has_error():
            return f"flower error {reply.error.code}"
        private, secure = self._plan.is_private, self._plan.secure_aggregation is not None
        dimension = self._spec.update_dimension(self._round)
        try:
            said = TrainReply.from_record(reply.content, dimension=dimension, private=private, secure=secure)
        except MessageError as error:
            return f"invalid reply: {error}"
        if said.status == "no-pairs" and private:
            return "invalid reply: a private run has no such status"
        if said.status not in ("trained", "no-pairs"):
            return said.status
        if said.request_digest != asked.digest:
            return "wrong request"
        if said.vector is not None and l2_norm(said.vector) > self._plan.clipping_norm * (1 + _NORM_TOLERANCE):
            return "invalid reply: not clipped"
        return said


def _cohort_metrics(metrics: Sequence[PublicMetrics], *, clipping_norm: float) -> CohortMetrics | None:
    if not metrics:
        return None
    norms = [one.update_norm for one in metrics]
    return CohortMetrics(
        loss=statistics.fmean(one.loss for one in metrics),
        accuracy=statistics.fmean(one.accuracy for one in metrics),
        update_norm=statistics.fmean(norms),
        largest_update_norm=max(norms),
        clipped=statistics.fmean(norm > clipping_norm for norm in norms),
        pairs=sum(one.pairs for one in metrics),
        device_seconds=statistics.median(one.seconds for one in metrics),
    )
