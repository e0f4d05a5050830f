"""The loop over rounds: ask a cohort, step, release; from the last release on.

Flower's `Strategy.start` cannot begin at a later round, and does not say which node failed: this loop calls the same
two methods of a `Strategy` and exchanges the messages itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

from server.adapter_step import open_step
from server.central_noise import open_mechanisms
from server.cohorts import Cohorts, PoissonCohorts, RandomCohorts, ScheduledCohorts
from server.exchange import exchange_each
from server.releases import ReleaseError, RunDirectory
from server.roster import Numbers, call_roll
from server.round_record import NodeFailure, RoundRecord
from server.secure_sum import Enrolment
from server.strategies.adapter_averaging import AdapterAveraging
from shared.adapter import AdaptedModel
from shared.flat_config import ConfigError
from shared.messages import MAX_SHARED_PARAMETERS, from_array_record, to_array_record
from shared.plan_sessions import check_sessions
from shared.round_plan import FederationPlan
from shared.server_identity import ServerKey

_LOG = logging.getLogger(__name__)
_NOT_AGAIN = "under masks nothing is asked twice: fix the cause, and start a new run with more federation.attempts"
_MEASURED = 4  # messages a round: each is serialised once more for it

Observe = Callable[[RoundRecord], None]


class TooFewRepliesError(RuntimeError):
    """A round had fewer usable replies than the plan's minimum in each attempt. The last release stands."""


def run_rounds(
    *,
    plan: FederationPlan,
    adapted: AdaptedModel,
    grid: Grid,
    directory: RunDirectory,
    resume: bool = False,
    observe: Observe | None = None,
    wrap: Callable[[AdapterAveraging], Strategy] | None = None,
    enrolment: Enrolment | None = None,
    signing_key: ServerKey | None = None,
    numbers: Numbers | None = None,
) -> None:
    """Runs a plan to its end and leaves its artefacts in `directory`.

    Args:
        adapted: the base model with a fresh adapter.
        observe: called after each round's release.
        wrap: puts wrappers around the strategy.
        enrolment: who may be in a cohort, where aggregation is secure.
        signing_key: signs every request.
        numbers: of the devices behind nodes, where the server itself enrolled them; see `call_roll`.

    Raises:
        ConfigError: secure aggregation, and nobody is enrolled.
        EnrolmentError, RosterError, TooFewRepliesError, ReleaseError, NoiseStateError: see there.
        PrivacyBudgetExhausted: devices would be asked more often than they may be.
        In every case what was released stands, and most can be resumed.
    """
    if plan.secure_aggregation is not None and enrolment is None:
        raise ConfigError(
            "output.roster: must name the organiser's roster of enrolled devices (`tacit-server organiser roster`), "
            "which secure aggregation needs"
        )
    release = directory.open(resume=resume)
    vector = adapted.read() if release is None else release.vector
    finished = 0 if release is None else release.round_number
    if finished < plan.rounds:
        if adapted.spec.state_dimension > MAX_SHARED_PARAMETERS:
            raise ReleaseError(
                f"{plan.adapter.method} would send {adapted.spec.state_dimension:,} numbers down, and a message holds "
                f"{MAX_SHARED_PARAMETERS:,}: take a method without a merged base, or fewer adapter.target-modules"
            )
        # A resumed run waits for all, and after a while goes on with whoever is left: nobody is replaced.
        least = plan.devices if release is None else plan.minimum_replies
        roster = call_roll(grid, devices=plan.devices, least=least, timeout=plan.round_timeout, numbers=numbers)
        try:
            check_sessions(plan, dimension=adapted.spec.dimension)
            mechanisms = open_mechanisms(plan, adapted.spec, released=finished, state_file=directory.noise_state)
        except ValueError as error:
            raise ReleaseError(
                f"this much noise cannot be drawn or summed for {adapted.spec.dimension:,} numbers: {error}"
            ) from None
        try:
            step = open_step(plan, adapted.spec, remembered=None if release is None else release.remembered)
        except ValueError as error:
            raise ReleaseError(
                f"the checkpoint in {directory.path} lacks what server-step.optimizer must remember ({error}): its "
                "releases stand, but this run cannot go on"
            ) from None
        run = directory.begin(roster.devices)
        averaging = AdapterAveraging(
            plan=plan,
            spec=adapted.spec,
            roster=roster,
            run=run.run,
            cohorts=_open_cohorts(plan, run.devices, directory),
            mechanisms=mechanisms,
            step=step,
            enrolment=enrolment,
            signing_key=signing_key,
        )
        strategy = averaging if wrap is None else wrap(averaging)
        strategy.summary()
        for number in range(finished + 1, plan.rounds + 1):
            arrays, record = _run_round(
                number, to_array_record(vector), plan, grid, strategy, averaging, directory, numbers
            )
            vector = from_array_record(arrays, dimension=adapted.spec.state_dimension)
            directory.commit(vector, record, remembered=step.remembered())
            if observe is not None:
                observe(record)
    directory.finish(adapted, vector)


def _run_round(
    number: int,
    arrays: ArrayRecord,
    plan: FederationPlan,
    grid: Grid,
    strategy: Strategy,
    averaging: AdapterAveraging,
    directory: RunDirectory,
    numbers: Numbers | None,
) -> tuple[ArrayRecord, RoundRecord]:
    began = time.perf_counter()
    failures: list[NodeFailure] = []
    # Asked again after a crash, devices say the same once more; but whose session has gone on, or was lost, cannot.
    first = 1 if plan.secure_aggregation is None else directory.asked(number) + 1
    if first > plan.attempts:
        raise TooFewRepliesError(
            f"round {number} was asked {plan.attempts} times, as often as the plan lets it be. The rounds before it "
            f"are released: {_NOT_AGAIN}"
        )
    for attempt in range(first, plan.attempts + 1):
        if attempt > first:
            averaging.roster = call_roll(
                grid, devices=plan.devices, least=plan.minimum_replies, timeout=plan.round_timeout, numbers=numbers
            )
        place = directory.charge(number, attempt)
        asked = ConfigRecord({"attempt": attempt, "place": place})
        messages = list(strategy.configure_train(number, arrays, asked, grid))
        replies = _Measuring(reply for _, reply in exchange_each(grid, messages, timeout=plan.round_timeout))
        stepped, _ = strategy.aggregate_train(number, replies)  # as they come: no more is held than the step needs
        outcome = averaging.outcome
        if outcome is None:
            raise RuntimeError("a strategy wrapper did not pass the replies on")
        failures += outcome.failures
        if stepped is not None:
            return stepped, RoundRecord(
                round_number=number,
                rounds=plan.rounds,
                attempts=attempt,
                cohort=outcome.cohort,
                replies=outcome.replies,
                no_pairs=outcome.no_pairs,
                failures=tuple(failures),
                seconds=time.perf_counter() - began,
                bytes_down=_size(messages) + outcome.bytes_down,
                bytes_up=replies.size + outcome.bytes_up,
                step_norm=outcome.step_norm,
                noise_std=outcome.noise_std,
                metrics=outcome.metrics,
                aggregation_error=outcome.aggregation_error,
                aggregation_seconds=outcome.aggregation_seconds,
            )
        _LOG.warning(
            "round %d, attempt %d: %d usable replies, and the plan asks for %d",
            number, attempt, outcome.replies, plan.minimum_replies,
        )  # fmt: skip
    reasons = sorted({failure.reason for failure in failures})
    raise TooFewRepliesError(
        f"round {number} had {averaging.outcome.replies if averaging.outcome else 0} usable replies of the "
        f"{plan.minimum_replies} that the plan asks for, {plan.attempts} times: "
        f"{'; '.join(reasons) or 'no device of the cohorts had pairs: ask larger ones'}. The rounds before it are "
        f"released: {'fix the cause and resume' if plan.secure_aggregation is None else _NOT_AGAIN}"
    )


def _open_cohorts(plan: FederationPlan, devices: Sequence[int], directory: RunDirectory) -> Cohorts:
    if plan.sampling == "schedule":
        return ScheduledCohorts(plan, devices)
    if plan.sampling == "poisson":
        return PoissonCohorts(plan, devices, directory.cohort_key())
    # A cohort under masks must be as large as planned, whoever has gone since the run began.
    return RandomCohorts(plan, None if plan.secure_aggregation is None else devices)


class _Measuring:
    """Messages as they come, the first few of which are measured.

    Attributes:
        size: as `_size`, of what has come.
    """

    def __init__(self, messages: Iterable[Message]) -> None:
        self._messages = messages
        self._left = _MEASURED
        self.size = 0

    def __iter__(self) -> Iterator[Message]:
        for message in self._messages:
            if self._left and (size := _size([message])):
                self._left -= 1
                self.size = max(self.size, size)
            yield message


def _size(messages: Sequence[Message]) -> int:
    """Bytes of the largest of a few messages that hold an adapter, as Flower serialises them."""
    full = islice((one for one in messages if one.has_content() and one.content.array_records), _MEASURED)
    sizes = [sum(len(part.deflate()) for part in get_all_nested_objects(message).values()) for message in full]
    return max(sizes, default=0)
