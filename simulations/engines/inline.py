"""The engine `inline`: server and devices in this process and its children, without Ray or network.

It is Flower's own `Grid` interface, so that the apps cannot tell: messages are serialised and read back, device errors
become Flower's error replies. What it does not emulate is time: a reply is there as soon as it is asked for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import torch
from flwr.app import Context, Error, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from client.app import build_client_app
from client.device import Device
from client.training import ModelPasses
from server.app import build_server_app
from server.rounds import Observe
from shared.flat_config import ConfigError
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from simulations.engines.devices import check_population, enrolment_for, open_population
from simulations.engines.together import COMMON_PASSES, can_train_together, handle_together
from simulations.engines.wire import Packet, pack, set_message_id, unpack
from simulations.engines.workers import Handle, WorkerPool
from simulations.population.protocol import Population

_LOG = logging.getLogger(__name__)
_RUN_ID = 1
# Node 1 is the SuperLink, so device i is node i + 2.
FIRST_NODE = 2
# Starting two workers costs some 10 s of imports; a client update costs some 0.25 s.
_UPDATES_WORTH_WORKERS = 80
_TOGETHER = 64


@dataclass(frozen=True, kw_only=True)
class OpenClient:
    """Opens a ClientApp in whatever process: picklable where `open_device` is."""

    open_device: Callable[[Context], Device]
    passes: ModelPasses | None = None

    def __call__(self) -> Handle:
        """A handler of serialised messages; what the app raises becomes an error without its text."""
        _identify()
        app = build_client_app(self.open_device, passes=self.passes)
        states: dict[int, RecordDict] = {}

        def handle(packet: Packet) -> Packet:
            message = unpack(packet)
            node = message.metadata.dst_node_id
            context = Context(
                run_id=_RUN_ID,
                node_id=node,
                node_config={"partition-id": node - FIRST_NODE},
                state=states.setdefault(node, RecordDict()),
                run_config={},
            )
            try:
                reply = app(message, context)
            except Exception as error:  # Flower's runtimes answer for a client that raises
                _LOG.warning("the client raised %s", type(error).__name__)
                reply = _error(message, ErrorCode.CLIENT_APP_RAISED_EXCEPTION)
            if not context.state:
                del states[node]
            set_message_id(reply, f"reply-to-{message.metadata.message_id}")
            return pack(reply)

        return handle


class InlineGrid(Grid):
    """A grid over `devices` devices. Replies are made when messages are pushed, and wait to be pulled."""

    def __init__(
        self,
        open_client: Callable[[], Handle],
        *,
        devices: int,
        pool: WorkerPool[Packet, Packet] | None = None,
        together: int = 1,
        answered: Callable[[], None] = lambda: None,
    ) -> None:
        """Args:
        open_client: opens the handler of messages in this process.
        pool: workers to use instead; already started.
        together: devices that share passes through the model in this process (`simulations.engines.together`).
        answered: called after each reply.
        """
        _identify()
        self._devices = devices
        self._pool = pool
        self._together = together
        self._answered = answered
        self._handle = open_client() if pool is None else None
        self._numbers = count(1)
        self._replies: dict[str, Message] = {}

    @property
    def device_nodes(self) -> Sequence[int]:
        """Node ids by device number: no roll call is needed."""
        return range(FIRST_NODE, FIRST_NODE + self._devices)

    def set_run(self, run: Run) -> None:
        """Not used: there is one run."""

    @property
    def run(self) -> Run:
        """An empty run."""
        return Run.create_empty(_RUN_ID)

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """Flower's older way to make a message."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Every node is online."""
        return self.device_nodes

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Delivers messages and waits for the replies of all."""
        pushed = list(messages)
        for message in pushed:
            set_message_id(message, f"message-{next(self._numbers)}")
        for place, reply in self._run([pack(message) for message in pushed]):
            identity = pushed[place].metadata.message_id
            self._replies[identity] = (
                unpack(reply) if reply is not None else _error(pushed[place], ErrorCode.CLIENT_APP_CRASHED)
            )
            self._answered()
        return [message.metadata.message_id for message in pushed]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies, each once."""
        return [self._replies.pop(identity) for identity in message_ids if identity in self._replies]

    def send_and_receive(
        self,
        messages: Iterable[Message],
        *,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Iterable[Message]:
        """Pushes and pulls."""
        return self.pull_messages(self.push_messages(messages))

    def _run(self, packets: Sequence[Packet]) -> Iterator[tuple[int, Packet | None]]:
        if self._pool is not None:
            yield from self._pool.run(packets)
        elif self._handle is not None:
            for start in range(0, len(packets), self._together):
                part = packets[start : start + self._together]
                replies = handle_together(self._handle, part) if len(part) > 1 else [self._handle(part[0])]
                yield from enumerate(replies, start=start)


def run_inline(
    plan: FederationPlan,
    population: Population,
    *,
    directory: Path,
    resume: bool = False,
    processes: int | None = None,
    together: int | None = None,
    observe: Observe | None = None,
    answered: Callable[[], None] = lambda: None,
    tamper: Callable[[Callable[[], Handle]], Callable[[], Handle]] = lambda open_client: open_client,
) -> None:
    """Runs a plan over a population and leaves the run directory (`server.releases`).

    Args:
        processes: workers that train; 0 trains in this process, None decides by the size of the run and the machine.
        together: devices that share passes through the model, in this process; 1 are none, None decides by the plan
            and the machine. The adapter is the same to float tolerance.
        observe: called after each round's release.
        answered: called after each device's reply.
        tamper: puts something between server and devices that rewrites messages; what it returns must be picklable.

    Raises:
        ConfigError: the plan's devices cannot share passes, or workers are asked for too.
        What `server.app` says. KeyboardInterrupt: the rounds that were released stand, and can be resumed.
    """
    check_population(plan, population)
    devices = open_population(population, plan, directory=directory)
    share = default_together(plan) if together is None else together
    if share > 1:
        _check_together(plan, processes)
    open_client = tamper(OpenClient(open_device=devices, passes=COMMON_PASSES if share > 1 else None))
    count_of = 0 if share > 1 else default_processes(plan) if processes is None else processes
    output = RunOutput(directory=str(directory), resume=resume)
    with ExitStack() as stack:
        pool = stack.enter_context(WorkerPool(open_client, processes=count_of)) if count_of > 0 else None
        grid = InlineGrid(open_client, devices=len(population), pool=pool, together=share, answered=answered)
        context = Context(
            run_id=_RUN_ID,
            node_id=SUPERLINK_NODE_ID,
            node_config={},
            state=RecordDict(),
            run_config=plan.to_run_config() | output.to_run_config(),
        )
        build_server_app(observe, enrolment=enrolment_for(plan, devices))(grid, context)


def default_processes(plan: FederationPlan) -> int:
    """How many workers pay: none for a short run, a single core, or a model that is on an accelerator."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2 or _is_accelerated(plan) or plan.rounds * plan.cohort_size < _UPDATES_WORTH_WORKERS:
        return 0
    return 2


def default_together(plan: FederationPlan) -> int:
    """How many devices share passes: none on a CPU, where that gains little (measured), and where they cannot."""
    on_cuda = plan.model.device == "cuda" or (plan.model.device == "auto" and torch.cuda.is_available())
    return _TOGETHER if on_cuda and can_train_together(plan) else 1


def _check_together(plan: FederationPlan, processes: int | None) -> None:
    if processes:
        raise ConfigError("run.batched-clients: devices share passes in one process: leave run.processes out")
    if not can_train_together(plan):
        raise ConfigError(
            "run.batched-clients: these devices cannot share passes: that takes one local step, one rank, no "
            "pair-level privacy, and no factors that stay on devices; leave it out"
        )


def _is_accelerated(plan: FederationPlan) -> bool:
    if plan.model.device != "auto":
        return plan.model.device in ("cuda", "mps")
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _identify() -> None:
    # Flower's messages take their sender from the process, and a SuperLink or executor would have set it.
    TaskIdentity.run_id = _RUN_ID
    TaskIdentity.node_id = SUPERLINK_NODE_ID
    TaskIdentity.task_id = 1


def _error(message: Message, code: int) -> Message:
    return Message(Error(code, ""), reply_to=message)
