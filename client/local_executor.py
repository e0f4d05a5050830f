"""Runs this device's own, installed client for what its SuperNode receives. Nothing that a server ships is loaded.

A SuperNode in process isolation hands tasks to whoever knows its secret. Flower's own executor would unpack the bundle
that came with a run and execute it: this one never opens it. Its messages go to the installed ClientApp, in this
process, which is where the vault is open; the SuperNode is another process and has no key to it.

Flower's modules used here are internal: its version is pinned, and a test runs all of this against a real SuperLink.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
from flwr.app import Context, Message
from flwr.app.error import Error
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode, SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest, SendTaskHeartbeatRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufClientInterceptor, ProtobufRequestContext
from flwr.supercore.retry import RetryInvoker, exponential
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from shared.code_list import CodeList, CodeListError

_LOG = logging.getLogger(__name__)
_COMPONENT = "flwr-clientapp"
_POLL_SECONDS = 0.5
_ASK_SECONDS = 30.0  # a SuperNode on this machine that says nothing for so long has died
_TASK_SECONDS = 30.0  # the same, of what may be large
_MOST_TRIES = 3
_PATIENCE_SECONDS = 45.0
_NO_PART_BYTES = 16  # of an answer that holds no part of a message
_STORED_SECONDS = 5.0  # within which a SuperNode has stored the message whose task it gave
_PROTECTED = frozenset({"/flwr.proto.Runtime/AcquireTask"})


class LocalExecutor:
    """Takes tasks of one SuperNode, one at a time."""

    def __init__(
        self, address: str, *, secret: bytes, app: ClientApp, code: Callable[[], CodeList | None] = lambda: None
    ) -> None:
        """Args:
        address: HOST:PORT of the SuperNode's Runtime API, on this machine.
        secret: 32 bytes that the SuperNode was given, too.
        app: answers.
        code: what bundles a run may be of, asked anew each time; None allows any, since none is run here. Raises
            CodeListError: then none is allowed.
        """
        self._address = address
        self._app, self._code = app, code
        self._secret = secret
        self._is_busy = False
        self._last_answer: float | None = None

    def __repr__(self) -> str:
        return f"LocalExecutor({self._address})"

    @property
    def is_busy(self) -> bool:
        """Whether a task is being answered."""
        return self._is_busy

    def since_answer(self) -> float | None:
        """Seconds since the last task was answered; None where none was."""
        return None if self._last_answer is None else time.monotonic() - self._last_answer

    def run(self, stop: threading.Event, *, answered: Callable[[], None] = lambda: None) -> None:
        """Answers until told to stop, or until its SuperNode must be started anew. Who is not there is asked again.

        A SuperNode waits for the answer to its message for ever and takes no other meanwhile, though it says that it is
        online. So one whose message could not be answered, or was lost on its way here, is of no more use.

        Args:
            stop: holds at once while nothing is being answered, else when that is done.
            answered: called after each task that was answered.
        """
        auth = SuperExecAuthHttpInterceptor(master_secret=self._secret, protected_methods=_PROTECTED)
        # Asked again by the loop and not by the call, which would not see `stop`.
        tasks = self._client(auth, timeout=_ASK_SECONDS, tries=1)
        try:
            while not stop.is_set():
                try:
                    found = tasks.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
                except httpx.ReadTimeout:
                    _LOG.warning("the SuperNode did not say whether there is a task")
                    return
                except Exception as error:  # whatever it is: the SuperNode is being restarted
                    _LOG.debug("the SuperNode gives no task (%s)", type(error).__name__)
                    stop.wait(_POLL_SECONDS)
                    continue
                if found.HasField("task") and found.token and not stop.is_set():
                    self._is_busy = True
                    try:
                        is_answered = self._answer(found.token)
                    finally:
                        self._last_answer = time.monotonic()
                        self._is_busy = False
                    if not is_answered:
                        return
                    answered()
                else:
                    stop.wait(_POLL_SECONDS)
        finally:
            tasks.close()

    def _answer(self, token: str) -> bool:
        """Whether the SuperNode has the answer."""
        client = self._client(RuntimeTokenHttpInterceptor(token), _Patience())
        heartbeat = HeartbeatSender(_heartbeat_of(client))
        context: Context | None = None
        status, details = SubStatus.FAILED, ""
        try:
            heartbeat.start()
            message, context, _, bundle = pull_task_input(client)
            reply = self._refusal(message, bundle.content) or self._reply(message, context)
            push_message(client, reply, context)
            status = SubStatus.COMPLETED
        except Exception as error:
            # Its text may quote what it was about.
            details = f"the device could not answer ({type(error).__name__})"
            _LOG.warning("%s", details)
        finally:
            with suppress(Exception):  # the SuperNode has died, or the run has ended: nobody waits for it
                push_task_output(client=client, context=context, sub_status=status, details=details)
            heartbeat.stop()
            client.close()
        return status == SubStatus.COMPLETED

    def _refusal(self, message: Message, bundle: bytes) -> Message | None:
        """What is said to a run of code that is not allowed: the server learns which, and why."""
        found = hashlib.sha256(bundle).hexdigest()
        try:
            allowed = self._code()
        except CodeListError as error:
            reason = str(error)
        else:
            if allowed is None or allowed.allows(found):
                return None
            reason = f"the bundle {found[:16]} is not on the organiser's list of version {allowed.version}"
        _LOG.warning("declined before anything was looked at: %s", reason)
        return Message(Error(code=ErrorCode.INVALID_FAB, reason=reason), reply_to=message)

    def _reply(self, message: Message, context: Context) -> Message:
        try:
            return self._app(message, context)
        except Exception as error:  # a kind of message that this client does not know
            _LOG.warning("this device does not know what it was asked (%s)", type(error).__name__)
            return Message(
                Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason="not a message of this client"),
                reply_to=message,
            )

    def _client(
        self, *interceptors: ProtobufClientInterceptor, timeout: float = _TASK_SECONDS, tries: int = _MOST_TRIES
    ) -> RuntimeHttpClient:
        # Not with Flower's retries, which go on for ever, deaf to whoever stops this, and interrupt the whole process
        # where a task is unknown (401): that one's SuperNode has ended, and the task with it.
        retries = RetryInvoker(
            exponential, httpx.TransportError, max_tries=tries, max_time=timeout, should_giveup=_is_refused
        )
        client = RuntimeHttpClient(
            f"http://{self._address}",  # loopback
            interceptors=[RuntimeVersionHttpInterceptor(component_name=_COMPONENT), *interceptors],
            timeout=timeout,
            retry_invoker=retries,
        )
        # Nor with a proxy of the environment's, which would see every answer before it is encrypted.
        client.close()
        client._client = httpx.Client(timeout=timeout, trust_env=False)
        return client


def _is_refused(error: Exception) -> bool:
    """Whether nobody listens any more."""
    return isinstance(error, httpx.ConnectError)


class _StalledError(RuntimeError):
    """No more of a message comes."""


class _Patience:
    """Gives up a message of which no part has come for a while. Flower waits for hours where the rest was lost.

    A SuperNode gives a task a moment before it has stored its message, too: who is too fast asks again.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """See Flower's `ProtobufClientInterceptor`."""
        response = call_next(context)
        if context.rpc_method.endswith("/PullMessages"):
            latest = time.monotonic() + _STORED_SECONDS
            while response.status_code == httpx.codes.OK and not response.content and time.monotonic() < latest:
                time.sleep(_POLL_SECONDS / 5)
                response = call_next(context)
        if context.rpc_method.endswith("/PullObject"):
            now = time.monotonic()
            if len(response.content) > _NO_PART_BYTES:
                self._since = now
            elif now - self._since > _PATIENCE_SECONDS:
                raise _StalledError
        return response


def _heartbeat_of(client: RuntimeHttpClient) -> Callable[[], bool]:
    """Says that a task is worked on. Flower's own would interrupt the whole process where a run was ended meanwhile."""

    def beat() -> bool:
        with suppress(Exception):
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        return True

    return beat
