"""The plain strategy: a cohort trains the adapter, the server steps along the mean of the updates.

A wrapper (masking) is a `Strategy` around this one: it may change messages on their way out and replies on their way
in, and leaves cohort, checks and step to it. Where users are private the mean is a noised sum over the PLANNED cohort:
fewer replies make neither the noise smaller nor the rest larger.
"""

from __future__ import annotations

# Flower's interface names arguments that not every strategy needs.
# ruff: noqa: ARG002
import logging
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from server.aggregation.ffa_lora import mean_update
from server.cohorts import Cohorts
from server.roster import Roster, stream
from server.round_record import CohortMetrics, NodeFailure
from shared.adapter import AdapterSpec
from shared.messages import (
    TRAIN,
    MessageError,
    PublicMetrics,
    TrainReply,
    TrainRequest,
    from_array_record,
    to_array_record,
)
from shared.privacy.clipping import l2_norm
from shared.privacy.mechanisms import SumMechanism
from shared.round_plan import FederationPlan
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
    """

    cohort: int
    replies: int
    no_pairs: int
    failures: tuple[NodeFailure, ...]
    step_norm: float
    noise_std: float
    metrics: CohortMetrics | None


@dataclass(frozen=True, kw_only=True)
class _Asked:
    device: int
    message: Message
    digest: str


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
        mechanism: SumMechanism | None = None,
        signing_key: ServerKey | None = None,
    ) -> None:
        """Args:
            run: the run's own name (`server.ledger`).
            mechanism: what noises a round's sum; must be there exactly if the plan protects users.
            signing_key: signs every request; None signs none.

        Raises:
            ValueError: it is not.
        """
        if (mechanism is None) != (plan.user_privacy is None):
            raise ValueError("a plan's user privacy and its mechanism go together")
        self._run = run
        self._cohorts = cohorts
        self._mechanism = mechanism
        self._signing_key = signing_key
        self._plan = plan
        self._spec = spec
        self.roster = roster
        self.outcome: CohortOutcome | None = None
        self._start: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._attempt = 1
        self._asked: list[_Asked] = []
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
        """
        attempt, place = config["attempt"], config["place"]
        if not isinstance(attempt, int) or not isinstance(place, int):
            raise TypeError("attempt and place must be integers")
        self._attempt = attempt
        self._start = from_array_record(arrays, dimension=self._spec.dimension)
        cohort = self._cohorts.draw(self.roster, round_number=server_round, attempt=attempt, place=place)
        self._cohort = len(cohort)
        self._gone = [device for device in cohort if not self.roster.knows(device)]
        self._asked = [self._ask(server_round, device) for device in cohort if self.roster.knows(device)]
        return [asked.message for asked in self._asked]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The adapter after the server's step; None with fewer usable replies than the plan's minimum.

        The result does not depend on the order of the replies, nor on whom they name as their source.
        """
        reply_to = {reply.metadata.reply_to_message_id: reply for reply in replies}
        updates: list[NDArray[np.float32]] = []
        metrics: list[PublicMetrics] = []
        failures = [NodeFailure(node=0, device=device, attempt=self._attempt, reason="gone") for device in self._gone]
        no_pairs = 0
        for asked in self._asked:  # by device number: a fixed order of the sum
            said = self._read(reply_to.get(asked.message.metadata.message_id), asked)
            if isinstance(said, str):
                node = asked.message.metadata.dst_node_id
                failures.append(NodeFailure(node=node, device=asked.device, attempt=self._attempt, reason=said))
                _LOG.warning("node %d (device %d) is left out of round %d: %s", node, asked.device, server_round, said)
            elif said.vector is None:
                no_pairs += 1
            else:
                updates.append(said.vector)
                if said.metrics is not None:
                    metrics.append(said.metrics)
        released: ArrayRecord | None = None
        step_norm = 0.0
        # A Poisson round is released whoever answers: to hold one back would make its cohort another kind of sample.
        needed = 0 if self._plan.sampling == "poisson" else self._plan.minimum_replies
        if len(updates) >= needed:
            step = self._plan.server_step(server_round) * self._mean(updates)
            released = to_array_record((self._start + step).astype(np.float32))
            step_norm = l2_norm(step)
        self.outcome = CohortOutcome(
            cohort=self._cohort,
            replies=len(updates),
            no_pairs=no_pairs,
            failures=tuple(failures),
            step_norm=step_norm,
            noise_std=self._mechanism.noise_std / self._plan.cohort_size if self._mechanism and released else 0.0,
            metrics=_cohort_metrics(metrics, clipping_norm=self._plan.clipping_norm) if metrics else None,
        )
        return released, MetricRecord({"replies": len(updates), "failures": len(failures)})

    def _mean(self, updates: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        if self._mechanism is None:
            return mean_update(updates)
        return self._mechanism.release(updates) / self._plan.cohort_size

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Nothing: evaluation on devices is another strategy's."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        """Nothing."""
        return None

    def _ask(self, server_round: int, device: int) -> _Asked:
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
        )
        if self._signing_key is not None:
            request = self._signing_key.sign(request)
        message = Message(
            request.to_record(),
            self.roster.node(device),
            TRAIN,
            ttl=self._plan.round_timeout,
            group_id=f"{server_round}.{self._attempt}",
        )
        return _Asked(device=device, message=message, digest=request.digest())

    def _read(self, reply: Message | None, asked: _Asked) -> TrainReply | str:
        """A reply that can be used, or why this one cannot."""
        if reply is None:
            return "timeout"
        if reply.has_error():
            return f"flower error {reply.error.code}"
        private = self._plan.is_private
        try:
            said = TrainReply.from_record(reply.content, dimension=self._spec.dimension, private=private)
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


def _cohort_metrics(metrics: Sequence[PublicMetrics], *, clipping_norm: float) -> CohortMetrics:
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
