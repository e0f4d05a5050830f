"""One SuperLink's task: the right to act as the ServerApp of a run there, kept by heartbeats until it is given back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
from flwr.app import Context
from flwr.common.constant import SubStatus
from flwr.common.serde import context_from_proto, context_to_proto, run_from_proto
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest, PushTaskOutputRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.superlink.grid import HttpGrid

from server.deployment.bundle import build_bundle
from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.running import Running
from server.deployment.superlink import UnansweredError, connected

_PROTECTED = frozenset({"/flwr.proto.Runtime/AcquireTask"})
_POLL_SECONDS = 0.5
_ACQUIRE_SECONDS = 60.0


class Task:
    """A task that was taken.

    Attributes:
        grid: to the devices of its SuperLink.
        id, run, context: what SuperLink said it is about.
    """

    def __init__(self, directory: ServerDirectory, running: Running, token: str) -> None:
        self.grid = HttpGrid(
            runtime_api_address=running.address,
            insecure=False,
            root_certificates=directory.authority.read_bytes(),
            token=token,
        )
        self._heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(self.grid._runtime_client))
        self._heartbeat.start()
        given = self.grid._runtime_client.PullTaskInput(PullTaskInputRequest())
        self.id: int = given.task_id
        self.run: Run = run_from_proto(given.run)
        self.context: Context = context_from_proto(given.context)
        self.grid.set_run(self.run)

    def finish(self, status: str, details: str) -> None:
        """Gives it back: the run has ended there."""
        self.grid._runtime_client.PushTaskOutput(
            PushTaskOutputRequest(context=context_to_proto(self.context), sub_status=status, details=details)
        )
        self._heartbeat.stop()
        self.grid.close()


class Tasks:
    """Where tasks of one SuperLink are taken."""

    def __init__(self, directory: ServerDirectory, running: Running) -> None:
        self._directory, self._running = directory, running
        secret = SuperExecAuthHttpInterceptor(master_secret=directory.secret.read_bytes(), protected_methods=_PROTECTED)
        self._client = RuntimeHttpClient.from_server_address(
            server_address=running.address,
            insecure=False,
            root_certificates=directory.authority.read_bytes(),
            interceptors=[RuntimeVersionHttpInterceptor(component_name="flwr-serverapp"), secret],
        )

    def close(self) -> None:
        """Takes no more."""
        self._client.close()

    def acquire(self) -> str | None:
        """A token of the next task there is. Raises: httpx.HTTPError."""
        found = self._client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
        return found.token if found.HasField("task") and found.token else None

    def take(self, token: str) -> Task:
        """The task of a token."""
        return Task(self._directory, self._running, token)


@contextmanager
def task_at_link(link: ServerDirectory, running: Running, settings: dict[str, str]) -> Iterator[Task]:
    """A run at another server's SuperLink, started here, and its task. It is ended there if it was not finished.

    Args:
        settings: of the run, for whoever looks at it.

    Raises:
        DeploymentError: the link refuses, or gives no task; UnansweredError, which is one: it is silent.
    """
    tasks = Tasks(link, running)
    try:
        with connected(link, running) as control:
            flower_run = control.start_run(build_bundle(), settings)
            try:
                yield _wanted(tasks, link, flower_run)
            finally:
                with suppress(DeploymentError):  # it has ended, or its SuperLink has
                    control.stop_run(flower_run)
    finally:
        tasks.close()


def _wanted(tasks: Tasks, link: ServerDirectory, flower_run: int) -> Task:
    deadline = time.monotonic() + _ACQUIRE_SECONDS
    while time.monotonic() < deadline:
        try:
            token = tasks.acquire()
        except httpx.HTTPError as error:
            raise UnansweredError(f"the link {link.path} does not answer ({type(error).__name__})") from None
        if token is not None:
            task = tasks.take(token)
            if task.run.run_id == flower_run:
                return task
            task.finish(SubStatus.FAILED, "it was lost")  # of an executor that died before it took it
        time.sleep(_POLL_SECONDS)
    raise DeploymentError(
        f"the link {link.path} gives its run to nobody: does it run an executor of its own? Set server.is-link = true "
        "in its server.toml, and start it again"
    )
