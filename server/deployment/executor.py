"""Runs this server's own, installed ServerApp for the runs that SuperLink holds. Nothing of a bundle is loaded.

Flower's own executor unpacks the bundle of a run and executes it, so whoever reaches the Control API runs code here.
This one never opens it: it takes the name of a run, and everything else from the run's own directory. It ends after
each run, and whoever supervises it starts it again.

A run that is wanted and that this process does not run was lost, with SuperLink or with the executor before this one:
it is started again from its last release. SuperLink, which may still believe in the old one, gives it up by itself in a
minute: to end it at once would leave devices that are just being told something waiting for the rest.

Flower's modules used here are internal: its version is pinned, and tests run all of this against a real SuperLink.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import httpx
from flwr.app import Context, RecordDict
from flwr.common.constant import SubStatus
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError, ObjectUnavailableError
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.task_identity import TaskIdentity

from server.deployment.bundle import build_bundle
from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.links import all_numbers, open_links
from server.deployment.running import Running
from server.deployment.runs import ServerRun, runs_of
from server.deployment.superlink import SuperLinkControl, UnansweredError, connected
from server.deployment.task import Task, Tasks, task_at_link
from server.many_links import ManyLinks
from server.releases import ReleaseError
from server.roster import Numbers
from shared.flat_config import ConfigError

_LOG = logging.getLogger(__name__)
_RUN_KEY = "output.directory"  # a key that Flower admits: here it holds a run's name
_POLL_SECONDS = 0.5
_MOST_FRUITLESS = 8

# A SuperLink that died in the middle of a message: no fault of the run's.
_INTERRUPTIONS = (httpx.HTTPError, ObjectPullError, ObjectPushError, ObjectUnavailableError, UnansweredError)


class ServerExecutor:
    """Takes one run after the other from one SuperLink."""

    def __init__(self, directory: ServerDirectory, running: Running) -> None:
        self._directory = directory
        self._running = running
        self._tasks = Tasks(directory, running)

    def __repr__(self) -> str:
        return f"ServerExecutor({self._directory.path})"

    def run_one(self) -> None:
        """Waits for a run and runs it to its end. Runs that were lost are started again first."""
        first = True
        while True:
            try:
                with connected(self._directory, self._running) as control:
                    if first:
                        self._start_lost(control)
                        first = False
                    self._start_wanted(control)
                token = self._tasks.acquire()
            except (httpx.HTTPError, DeploymentError) as error:
                _LOG.info(
                    "SuperLink gives no task (%s)",
                    error if isinstance(error, DeploymentError) else type(error).__name__,
                )
                time.sleep(2 * _POLL_SECONDS)
                continue
            if token is not None:
                self._run(token)
                return
            time.sleep(_POLL_SECONDS)

    def _start_lost(self, control: SuperLinkControl) -> None:
        states = control.run_states()
        for run in self._in_state("running"):
            now = run.control()
            if now is None or now.flower_run is None or states.get(now.flower_run) == "pending":
                continue
            with _failing_alone(run):
                if run.lose(_MOST_FRUITLESS):
                    _LOG.warning("the run %s was lost: it goes on from its last release", run.name)

    def _start_wanted(self, control: SuperLinkControl) -> None:
        for run in self._in_state("wanted"):
            with _failing_alone(run):
                flower_run = control.start_run(build_bundle(), {_RUN_KEY: run.name})
                kept = False
                try:
                    kept = run.hand_over(flower_run)
                finally:  # ended meanwhile, or not written down: nobody would know of it
                    if not kept:
                        control.stop_run(flower_run)
                if kept:
                    _LOG.info("the run %s was handed to SuperLink", run.name)

    def _in_state(self, state: str) -> list[ServerRun]:
        found: list[ServerRun] = []
        for run in runs_of(self._directory):
            with suppress(DeploymentError):  # a damaged run keeps no other from running
                now = run.control()
                if now is not None and now.state == state:
                    found.append(run)
        return found

    def _run(self, token: str) -> None:
        task = self._tasks.take(token)
        TaskIdentity.task_id, TaskIdentity.run_id = task.id, task.run.run_id
        TaskIdentity.node_id = task.context.node_id
        status, details = SubStatus.FAILED, "the server refused it"
        try:
            run = self._named(str(task.run.override_config.get(_RUN_KEY, "")), task.run.run_id)
            if run is not None:
                details = _outcome(run, lambda: self._serve(run, task))
                status = SubStatus.FAILED if details else SubStatus.COMPLETED
        except (KeyboardInterrupt, RunNotRunningException):  # the first is the heartbeat's way to say so
            _LOG.warning("SuperLink ended the run")
            return
        except _INTERRUPTIONS as error:
            _LOG.warning("SuperLink failed the run (%s): it is lost", type(error).__name__)
            sys.exit(1)
        task.finish(status, details)

    def _serve(self, run: ServerRun, task: Task) -> None:
        """Runs it on the devices of this server, and on those of its links."""
        links = open_links(self._directory)
        with ExitStack() as stack:
            if not links:
                _serve(run, task.grid, task.context, self._numbers)
                return
            others = [
                stack.enter_context(task_at_link(link.directory, link.running, {_RUN_KEY: run.name})) for link in links
            ]
            grid = stack.enter_context(ManyLinks([task.grid, *(other.grid for other in others)]))
            _LOG.info("the run %s asks the devices of %d links, too", run.name, len(links))
            _serve(run, grid, task.context, lambda: all_numbers(self._numbers(), links))
            for other in others:
                other.finish(SubStatus.COMPLETED, "")

    def _numbers(self) -> dict[int, int]:
        """Which enrolled device each node is, now: a device's own word for its number is worth nothing."""
        with connected(self._directory, self._running) as control:
            return control.numbers(DeviceBook(self._directory.devices).active())

    def _named(self, name: str, flower_run: int) -> ServerRun | None:
        """The run of a name, if this server has one that it handed to SuperLink under this id."""
        try:
            run = ServerRun(self._directory, name)
            now = run.control()
        except DeploymentError as error:
            _LOG.warning("%s", error)
            return None
        if now is None or now.is_over or now.flower_run != flower_run:
            _LOG.warning("SuperLink holds a run that this server did not start: it is refused")
            return None
        return run


@contextmanager
def _failing_alone(run: ServerRun) -> Iterator[None]:
    """Settles a run as failed that cannot be started, and lets the others start. A silent SuperLink is no fault of it.

    Raises:
        UnansweredError: SuperLink is silent.
    """
    try:
        yield
    except UnansweredError:
        raise
    except (ConfigError, DeploymentError, ReleaseError, OSError) as error:
        said = f"it cannot be started: {_shown(error)}"
        _LOG.error("the run %s failed (%s): %s", run.name, type(error).__name__, said)  # no content
        with suppress(DeploymentError, OSError):  # what cannot be written either is tried again
            run.settle("failed", said)


def _shown(error: Exception) -> str:
    """What an error says, without the text that a file holds."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def _serve(run: ServerRun, grid: Grid, context: Context, numbers: Numbers) -> None:
    from server.app import build_server_app

    now = run.control()
    again = now is not None and now.starts > 1
    build_server_app(run_config=dict(run.configuration(again=again)), numbers=numbers)(grid, context)
    context.state = RecordDict()


def _outcome(run: ServerRun, serve: Callable[[], None]) -> str:
    """Runs it and writes down how it ended; why it failed, or nothing."""
    try:
        serve()
    except _INTERRUPTIONS:
        raise
    except Exception as error:
        said = (
            str(error)
            if isinstance(error, _telling())
            else f"an error of kind {type(error).__name__}: see logs/executor.log"
        )
        frames = "".join(traceback.format_tb(error.__traceback__))
        _LOG.error("the run %s failed (%s): %s\n%s", run.name, type(error).__name__, said, frames)
        run.settle("failed", said)
        return "the run failed: see its control.json"
    run.settle("finished")
    _LOG.info("the run %s is finished", run.name)
    return ""


def _telling() -> tuple[type[Exception], ...]:
    """Errors whose text is made for an operator."""
    from flwr.serverapp.exception import PrivacyBudgetExhausted

    from server.central_noise import NoiseStateError
    from server.roster import RosterError
    from server.rounds import TooFewRepliesError
    from shared.adapter_spec import AdapterError
    from shared.language_model import LanguageModelError
    from shared.secagg.enrolment import EnrolmentError
    from shared.signing_key import SigningKeyError

    return (
        AdapterError, ConfigError, DeploymentError, EnrolmentError, LanguageModelError, NoiseStateError,
        PrivacyBudgetExhausted, ReleaseError, RosterError, SigningKeyError, TooFewRepliesError,
    )  # fmt: skip
