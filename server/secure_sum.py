"""The sum of a cohort's updates under masks: the stages after training, over Flower's messages.

A cohort is cut into parts that share no masks; each part's sum carries enough noise by itself. Parts are taken some at
a time and their masked vectors added up as they come, so that memory does not grow with the cohort. A part that ends
early gives nothing: whatever its devices had sent stays hidden, and the others' sum stands.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np
from flwr.app import Message
from flwr.serverapp import Grid
from numpy.typing import NDArray

from server.exchange import exchange_each
from shared.messages import TrainRequest
from shared.plan_sessions import session_of
from shared.records import MessageError
from shared.secagg.enrolment import CohortRoster
from shared.secagg.server_session import ServerSession, SessionAbortedError
from shared.secagg_messages import SECURE_STAGE, SecureStage, StageReply, StageRequest

_LOG = logging.getLogger(__name__)
_LARGEST_ENTRY = 128  # bytes that one member says to or of another
_AT_ONCE = 1000  # devices whose parts are summed side by side


class Enrolment(Protocol):
    """A roster, or what makes one up as it is asked for."""

    def cohort(self, devices: Sequence[int], *, part: int) -> CohortRoster:
        """What members of a part are told. Raises: EnrolmentError: a device is not enrolled."""
        ...


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A device that trained and waits with its update.

    Attributes:
        request: what it answered; its cohort is the part it is in.
        node: Flower's id.
        keys: of its session.
    """

    request: TrainRequest
    node: int
    keys: bytes


@dataclass(kw_only=True)
class SecureSum:
    """What became of a cohort.

    Attributes:
        total: (d,) sum of the updates, noise included; zero if no part came through.
        summed: devices whose updates are in it.
        noise_variance: of one number of the total.
        failures: why a device is not in it, by number.
        bytes_down, bytes_up: of all stages' content, of each device, by number.
    """

    total: NDArray[np.float64]
    summed: set[int] = field(default_factory=set)
    noise_variance: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)
    bytes_down: Counter[int] = field(default_factory=Counter)
    bytes_up: Counter[int] = field(default_factory=Counter)


def sum_securely(joined: Sequence[Joined], *, grid: Grid, dimension: int, timeout: float, group: str = "") -> SecureSum:
    """Asks the members of every part for what their session needs.

    Args:
        joined: of all parts, in any order.
        dimension: d.
        timeout: seconds to wait at each stage.
        group: Flower's group id for the messages.
    """
    outcome = SecureSum(total=np.zeros(dimension, dtype=np.float64))
    for some in _waves(joined, dimension=dimension):
        _sum_parts(some, outcome, grid=grid, timeout=timeout, group=group)
    return outcome


def _waves(joined: Sequence[Joined], *, dimension: int) -> Iterator[list[_Part]]:
    parts: dict[int, list[Joined]] = {}
    for one in joined:
        if one.request.cohort is not None:
            parts.setdefault(one.request.cohort.part, []).append(one)
    wave: list[_Part] = []
    size = 0
    for number in sorted(parts):
        if wave and size + len(parts[number]) > _AT_ONCE:
            yield wave
            wave, size = [], 0
        wave.append(_Part(parts[number], dimension=dimension))
        size += len(parts[number])
    if wave:
        yield wave


class _Part:
    """One session, and the devices it still has.

    Attributes:
        reason: why it has ended; "" while it has not.
    """

    def __init__(self, joined: Sequence[Joined], *, dimension: int) -> None:
        self.joined = {one.request.device: one for one in joined}
        self.reason = ""
        try:
            self.terms, self.encoding = session_of(joined[0].request, dimension=dimension)
            self.session = ServerSession(self.terms)
            self.waiting = self.session.show_keys({number: one.keys for number, one in self.joined.items()})
        except (ValueError, SessionAbortedError) as error:
            self.end(error)

    @property
    def longest_answer(self) -> int:
        """Bytes of what an honest member says at most: shares for all the others, or its masked vector."""
        packed = -(-self.terms.dimension * self.terms.bits // 8)
        return max(packed, _LARGEST_ENTRY * len(self.terms.members))

    def end(self, error: Exception) -> None:
        """Gives it up."""
        self.reason, self.waiting = str(error), {}
        _LOG.warning("a part of the cohort is lost: %s", error)


def _sum_parts(parts: Sequence[_Part], outcome: SecureSum, *, grid: Grid, timeout: float, group: str) -> None:
    def ask(stage: SecureStage) -> Iterator[tuple[int, int, bytes]]:
        return _ask(stage, parts, outcome, grid=grid, timeout=timeout, group=group)

    shared = _by_part(ask("share"))
    for place, part in _going_on(parts):
        part.waiting = _next(part, partial(part.session.hand_shares, shared.get(place, {})))
    for place, device, said in ask("mask"):  # added as they come: never kept
        if not parts[place].session.add(device, said):
            outcome.failures[device] = "invalid masked vector"
    for _, part in _going_on(parts):
        part.waiting = _next(part, part.session.survivors)
    confirmed = _by_part(ask("confirm"))
    for place, part in _going_on(parts):
        part.waiting = _next(part, partial(part.session.show_confirmations, confirmed.get(place, {})))
    revealed = _by_part(ask("reveal"))
    for place, part in _going_on(parts):
        try:
            total = part.session.unmask(revealed.get(place, {}))
        except SessionAbortedError as error:
            part.end(error)
            continue
        outcome.total += part.encoding.decode(total)
        outcome.noise_variance += part.encoding.noise_std(len(part.session.added)) ** 2
        outcome.summed |= part.session.added
    for part in parts:
        for device in part.joined:
            if part.reason:
                outcome.failures[device] = f"its part was lost: {part.reason}"
            elif device in outcome.summed:  # whatever it did not say afterwards, others said for it
                outcome.failures.pop(device, None)
            else:
                outcome.failures.setdefault(device, "left out of the sum")


def _going_on(parts: Sequence[_Part]) -> Iterator[tuple[int, _Part]]:
    return ((place, part) for place, part in enumerate(parts) if not part.reason)


def _next(part: _Part, step: Callable[[], dict[int, bytes]]) -> dict[int, bytes]:
    try:
        return step()
    except SessionAbortedError as error:
        part.end(error)
        return {}


def _by_part(said: Iterator[tuple[int, int, bytes]]) -> dict[int, dict[int, bytes]]:
    found: dict[int, dict[int, bytes]] = {}
    for place, device, body in said:
        found.setdefault(place, {})[device] = body
    return found


def _ask(
    stage: SecureStage, parts: Sequence[_Part], outcome: SecureSum, *, grid: Grid, timeout: float, group: str
) -> Iterator[tuple[int, int, bytes]]:
    """(place of the part, device, answer) as answers come."""
    asked: list[tuple[int, int, StageRequest]] = []
    messages: list[Message] = []
    for place, part in _going_on(parts):
        for device, body in part.waiting.items():
            one = part.joined[device]
            request = StageRequest(
                run=one.request.run,
                round_number=one.request.round_number,
                attempt=one.request.attempt,
                device=device,
                stage=stage,
                body=body,
            )
            asked.append((place, device, request))
            outcome.bytes_down[device] += len(body)
            messages.append(Message(request.to_record(), one.node, SECURE_STAGE, ttl=timeout, group_id=group))
    silent = set(range(len(asked)))
    for index, reply in exchange_each(grid, messages, timeout=timeout):
        place, device, request = asked[index]
        silent.discard(index)
        said = _read(reply, request, most=parts[place].longest_answer)
        if isinstance(said, str):
            outcome.failures[device] = f"{stage}: {said}"
        else:
            outcome.bytes_up[device] += len(said)
            yield place, device, said
    for index in silent:
        outcome.failures[asked[index][1]] = f"{stage}: timeout"


def _read(reply: Message, request: StageRequest, *, most: int) -> bytes | str:
    """An answer, or why it is none."""
    if reply.has_error():
        return f"flower error {reply.error.code}"
    try:
        said = StageReply.from_record(reply.content)
    except MessageError as error:
        return f"invalid reply: {error}"
    if said.status != "answered":
        return said.status
    if len(said.body) > most:
        return "invalid reply: longer than it can be"
    return said.body if said.request_digest == request.digest() else "wrong request"
