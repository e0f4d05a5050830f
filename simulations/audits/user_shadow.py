"""A shadow run for user-level canaries: the server's and the devices' own code, with no model trained.

Everything between a device's update and the released model is the real thing: schedule, requests, clipping, encoding,
noise, masks, unmasking and the server's step. Only what training would have given is put in its place: a canary (Andrew
et al., 2023, arXiv:2302.03098) far longer than the clipping norm, or nothing. Under masks the worst that a session
bears happens in every round: as many devices vanish as may, before they say their masked vector, and as many work for
the server as may, which tell it their noise. What is left is the noise that the guarantee counts on, and no more.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray

from server.adapter_step import AdapterStep
from server.central_noise import NOISE_STATE_FILE, open_mechanisms
from server.cohorts import ScheduledCohorts
from server.exchange import exchange
from server.roster import call_roll, stream
from server.strategies.adapter_averaging import AdapterAveraging, CohortOutcome
from shared.adapter import AdaptedModel
from shared.messages import from_array_record, to_array_record
from shared.plan_terms import ServerStepTerms
from shared.round_plan import FederationPlan
from simulations.audits.canary_client import OpenCanaries, Role
from simulations.audits.canary_directions import CanaryDirections
from simulations.engines.devices import SimulatedDevices, enrolment_for
from simulations.engines.inline import InlineGrid

MOST_PARTICIPATIONS = 16
# Times the clipping norm: whoever forgets to clip, or clips parts, lets most of it through.
_LOUDNESS = 50.0
_ONE_IN = 5  # of the canaries speaks once only


class NoShadowError(ValueError):
    """There can be no shadow run of this plan. The message says why."""


class ShadowFailedError(RuntimeError):
    """A shadow run does not work as the run did: its parts refuse each other. Nothing can be said of the claim."""


@dataclass(frozen=True, kw_only=True)
class ShadowLayout:
    """Who does what in a shadow run. Cohorts are `groups` sets of devices that take turns.

    Attributes:
        plan: of the shadow run.
        groups: how many different cohorts there are.
        colluding, vanishing: of each cohort, by place: first the ones, then the others; all that follow are canaries.
        participations: of each device at least.
        all_rounds: whether an attacker needs all rounds at once: where noise is correlated over them.
    """

    plan: FederationPlan
    groups: int
    colluding: int
    vanishing: int
    participations: int
    all_rounds: bool

    @property
    def canaries_a_group(self) -> int:
        """Devices of a cohort that are canaries."""
        return self.plan.cohort_size - self.colluding - self.vanishing

    @property
    def canaries(self) -> int:
        """In all."""
        return self.groups * self.canaries_a_group

    @cached_property
    def roles(self) -> Mapping[int, Role]:
        """By device. A canary's number counts the canaries, group after group."""
        size = self.plan.cohort_size
        order = stream(f"schedule/{self.plan.seed}").permutation(self.plan.devices)  # as `ScheduledCohorts` has it
        roles: dict[int, Role] = {}
        for place, device in enumerate(order.tolist()):
            group, within = divmod(place, size)
            index = within - self.colluding - self.vanishing
            canary = None if index < 0 else group * self.canaries_a_group + index
            roles[device] = Role(
                canary=canary,
                colludes=within < self.colluding,
                vanishes=self.colluding <= within < self.colluding + self.vanishing,
                once=canary is not None and self.participations > 1 and canary % _ONE_IN == _ONE_IN - 1,
            )
        return roles

    def rounds_of(self, group: int) -> Sequence[int]:
        """Rounds (from 0) in which a group is the cohort."""
        return range(group, self.plan.rounds, self.groups)


def lay_out(plan: FederationPlan, *, canaries: int, participations: int) -> ShadowLayout:
    """A shadow of a plan whose users are private.

    What the noise depends on stays: mechanism, multiplier, clipping norm, and under masks the size of a part of the
    cohort, or with correlated noise the rounds. What it does not depend on is chosen so that there are canaries enough.

    Args:
        canaries: wanted at least.
        participations: of the device that had most.

    Raises:
        NoShadowError: the plan protects no user.
    """
    user = plan.user_privacy
    if user is None:
        raise NoShadowError("the run promises its users nothing")
    colluding = vanishing = 0
    all_rounds = user.mechanism == "banded-gaussian"
    if plan.secure_aggregation is not None:
        part = min(plan.parts(), key=lambda one: one.members)
        colluding, vanishing = part.corrupt, part.members - part.threshold
        size = part.members
        groups = max(2, user.separation, -(-canaries // (size - colluding - vanishing)))
    else:
        groups = max(2, user.separation)
        if all_rounds:
            groups = max(min(user.separation, plan.rounds), -(-plan.rounds // user.participations))
        size = max(2, -(-canaries // groups))
    taken = min(participations, MOST_PARTICIPATIONS)
    rounds = plan.rounds if all_rounds else groups * taken
    if not all_rounds:
        user = replace(user, participations=taken, cohort_limit=None)
    shadow = replace(
        plan,
        devices=groups * size,
        cohort_size=size,
        rounds=rounds,
        sampling="schedule",
        attempts=1,
        minimum_replies=1,
        user_privacy=user,
        pair_privacy=None,  # noise of the pairs' own would hide what the users' must
        step_terms=ServerStepTerms(),  # what a server makes of a sum tells no more than the sum
    )
    return ShadowLayout(
        plan=shadow,
        groups=groups,
        colluding=colluding,
        vanishing=vanishing,
        participations=max(1, rounds // groups),
        all_rounds=all_rounds,
    )


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """What was seen, as scores: the inner product of every direction with what was seen.

    Attributes:
        sums: (rounds, directions) of each round's noised mean update.
        models: (rounds, directions) of the change of each released model.
        colluders: (rounds, directions) of the noise that the colluding devices of a round added, together; zero where
            there are none.
        replies: updates in the sums, on average.
    """

    sums: NDArray[np.float64]
    models: NDArray[np.float64]
    colluders: NDArray[np.float64]
    replies: float


class _WatchedStep(AdapterStep):
    """The server's steps, and the means that they were made of: what the server knows, and a model's observer not."""

    def __init__(self, plan: FederationPlan, adapted: AdaptedModel) -> None:
        super().__init__(plan, adapted.spec)
        self.mean: NDArray[np.float64] | None = None

    def from_mean(
        self, state: NDArray[np.float32], mean: NDArray[np.float64], *, round_number: int
    ) -> NDArray[np.float32]:
        """See `AdapterStep`."""
        self.mean = mean
        return super().from_mean(state, mean, round_number=round_number)


def run_shadow(
    layout: ShadowLayout,
    adapted: AdaptedModel,
    directions: CanaryDirections,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Shadow:
    """Runs a shadow to its end. Canary i's direction is direction i.

    Args:
        adapted: the base model with a fresh adapter; only its layout is used.
        progress: called with the rounds done and all of them.

    Raises:
        ValueError: noise that cannot be drawn; ShadowFailedError: a round came to nothing.
    """
    plan, spec = layout.plan, adapted.spec
    dimension = least_dimension(plan, adapted)
    seen = {name: np.zeros((plan.rounds, directions.count)) for name in ("sums", "models", "colluders")}
    replies = 0

    def update(role: Role, round_number: int) -> NDArray[np.float32]:
        out = np.zeros(spec.update_dimension(round_number), dtype=np.float32)
        spoken = role.once and round_number > layout.groups  # its first participation is over
        if role.canary is not None and not spoken:
            out[:dimension] = _LOUDNESS * plan.clipping_norm * directions.vector(role.canary)
        return out

    def told(round_number: int, noise: NDArray[np.float64]) -> None:
        seen["colluders"][round_number - 1] += directions.scores(noise[:dimension])

    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="tacit-audit-"))
        devices = SimulatedDevices(
            population=_Nobody(plan.devices),
            secret=secrets.token_bytes(32),
            state_directory=Path(directory) / "devices",
        )
        grid = InlineGrid(
            OpenCanaries(devices=devices, roles=layout.roles, update=update, told=told), devices=plan.devices
        )
        step = _WatchedStep(plan, adapted)
        roster = call_roll(grid, devices=plan.devices, timeout=plan.round_timeout)
        averaging = AdapterAveraging(
            plan=plan,
            spec=spec,
            roster=roster,
            run=secrets.token_hex(16),
            cohorts=ScheduledCohorts(plan, roster.devices),
            mechanisms=open_mechanisms(plan, spec, released=0, state_file=Path(directory) / NOISE_STATE_FILE),
            step=step,
            enrolment=enrolment_for(plan, devices),
        )
        vector = adapted.beginning()
        stack.enter_context(_unwarned(frozenset(device for device, role in layout.roles.items() if role.vanishes)))
        for number in range(1, plan.rounds + 1):
            asked = ConfigRecord({"attempt": 1, "place": number - 1})
            messages = list(averaging.configure_train(number, to_array_record(vector), asked, grid))
            answers = [one for one in exchange(grid, messages, timeout=plan.round_timeout) if one is not None]
            released, _ = averaging.aggregate_train(number, answers)
            if released is None or step.mean is None or averaging.outcome is None:
                raise ShadowFailedError(
                    f"round {number} of the shadow run came to nothing: {_why(averaging.outcome)}; the code that was "
                    "audited does not fit together, and nothing can be said of the claim"
                )
            after = from_array_record(released, dimension=spec.state_dimension)
            change = spec.restrict(after.astype(np.float64) - vector, number)
            seen["sums"][number - 1] = directions.scores(step.mean[:dimension])
            seen["models"][number - 1] = directions.scores(change[:dimension])
            replies += averaging.outcome.replies
            vector = after
            if progress is not None:
                progress(number, plan.rounds)
    return Shadow(**seen, replies=replies / plan.rounds)


@contextmanager
def _unwarned(vanishing: frozenset[int]) -> Iterator[None]:
    """Keeps the server's warnings about devices that are meant to vanish out of the log."""

    def is_news(record: logging.LogRecord) -> bool:
        said = record.args  # "device %d: %s"; of anything else, the record stays
        return not (isinstance(said, tuple) and len(said) == 2 and said[0] in vanishing)

    log = logging.getLogger(AdapterAveraging.__module__)
    log.addFilter(is_news)
    try:
        yield
    finally:
        log.removeFilter(is_news)


def _why(outcome: CohortOutcome | None) -> str:
    reasons = sorted({failure.reason for failure in outcome.failures}) if outcome is not None else []
    return "; ".join(reasons) or "no device answered"


def least_dimension(plan: FederationPlan, adapted: AdaptedModel) -> int:
    """d of the method's shortest update."""
    turns = plan.adapter.federation.turns
    return min(adapted.spec.update_dimension(turn) for turn in range(1, turns + 1))


@dataclass(frozen=True)
class _Nobody:
    """Devices that hold nothing: a canary needs no pairs."""

    size: int
    name: str = "canaries"

    def __len__(self) -> int:
        return self.size

    def pairs(self, index: int) -> tuple[()]:  # noqa: ARG002
        """None."""
        return ()
