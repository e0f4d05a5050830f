"""Taking part: a SuperNode that talks to the server, and this process, which answers with the vault open.

server ── TLS ── flower-supernode (its node key alone) ── loopback, shared secret ── this process (the vault)

What its user's switch and the policy's `[when]` mean for the connection:

| | a new request | what was begun | the connection |
|---|---|---|---|
| allowed | answered | finished | is there |
| paused, or outside of `[when]` | declined | finished | ends when what was begun is done, after an hour at most |
| left, or joined elsewhere | declined | dropped | ends at once, and so does `take_part` |
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from client.app import build_client_app
from client.invitation import code_list_of
from client.local_executor import LocalExecutor
from client.membership import departure
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.profile import Profile
from client.server_settings import ServerSettings
from client.supernode import SuperNode, supernode_command
from client.vault.errors import VaultError
from client.vault.vault import Vault
from client.vault_device import VaultDevice

_LOG = logging.getLogger(__name__)
# A server remembers a node that died for up to a minute, and refuses another of its key meanwhile.
_BACK_OFF_SECONDS = (2.0, 5.0, 15.0, 15.0, 30.0, 60.0)
_SETTLED_SECONDS = 120.0
_LISTEN_SECONDS = 120.0
_LOOK_SECONDS = 1.0
_SEND_SECONDS = 60.0  # within which the SuperNode has sent an answer, or the server asks for the next stage
_FINISH_SECONDS = 3600.0  # a round's time at each stage, by default


def take_part(
    profile: Profile,
    vault: Vault,
    settings: ServerSettings,
    stop: threading.Event,
    *,
    answered: Callable[[], None] = lambda: None,
    waits: Callable[[str | None], None] = lambda _reason: None,
) -> str | None:
    """Answers a server until told to stop. A SuperNode that ends is started again, later and later. See the module.

    Args:
        stop: ends the connection at once; an answer that is being worked on is dropped when it is done.
        answered: called after each message.
        waits: told why this device begins nothing, and None when it does again.

    Returns:
        why it ended though nobody stopped it: it has left, or has joined elsewhere; else None.

    Raises:
        SuperNodeError: there is no SuperNode to start.
        OSError: it cannot be started.
    """
    command = supernode_command()
    device = VaultDevice(profile, vault, server=settings)
    app = build_client_app(lambda _: device)
    _limit_threads(profile)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="tacit-node-") as name:  # mode 0700
        while not stop.is_set():
            over = _departure(profile, vault, settings)
            if over is not None:
                return over
            reason = device.obstacle()
            waits(reason)
            if reason is not None:
                stop.wait(_LOOK_SECONDS)
                continue
            begun = time.monotonic()
            node = SuperNode(command, settings, Path(name))
            executor = LocalExecutor(
                node.address, secret=node.secret, app=app, code=lambda: code_list_of(profile, settings)
            )
            connection = _Connection(
                node=node,
                executor=executor,
                device=device,
                is_over=lambda: stop.is_set() or _departure(profile, vault, settings) is not None,
                waits=waits,
            )
            if connection.hold(stop, answered=answered) or stop.is_set():
                failures = 0
                continue
            failures = 0 if time.monotonic() - begun > _SETTLED_SECONDS else failures + 1
            pause = _BACK_OFF_SECONDS[min(max(failures, 1), len(_BACK_OFF_SECONDS)) - 1]
            _LOG.warning("the connection to the server ended (status %s): again in %.0f s", node.status, pause)
            stop.wait(pause)
    return None


@dataclass(kw_only=True)
class _Connection:
    """One SuperNode from its start to its end."""

    node: SuperNode
    executor: LocalExecutor
    device: VaultDevice
    is_over: Callable[[], bool]
    waits: Callable[[str | None], None]

    def hold(self, stop: threading.Event, *, answered: Callable[[], None]) -> bool:
        """Answers until it ends; whether it ended because it was to."""
        done = threading.Event()
        meant = threading.Event()

        def watch() -> None:
            try:
                if self._lasts(stop, done):
                    meant.set()
            finally:
                done.set()
                self.node.end()  # at once, whatever is being answered

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            # Until the port is the child's own, whoever listens there might be anybody.
            latest = time.monotonic() + _LISTEN_SECONDS
            while not done.is_set() and not self.node.is_listening():
                if time.monotonic() > latest:
                    done.set()
                done.wait(_LOOK_SECONDS / 5)
            self.executor.run(done, answered=answered)
        finally:
            done.set()
            watcher.join()
        return meant.is_set()

    def _lasts(self, stop: threading.Event, done: threading.Event) -> bool:
        """Returns when the connection must end: whether it was to, and did not break."""
        since: float | None = None
        while not stop.wait(_LOOK_SECONDS):
            if self.is_over():
                return True
            if self.node.status is not None or done.is_set():
                return False
            reason = self.device.obstacle(begins=not self.executor.is_busy)
            self.waits(reason)
            if reason is None:
                since = None
                continue
            since = time.monotonic() if since is None else since
            if not self._finishes(time.monotonic() - since):
                return True
        return True

    def _finishes(self, seconds: float) -> bool:
        """Whether something that was begun is not done, so long after nothing new may be begun."""
        if self.executor.is_busy:
            return True
        last = self.executor.since_answer()
        if last is not None and last < _SEND_SECONDS and seconds < 5 * _SEND_SECONDS:
            return True
        return seconds < _FINISH_SECONDS and self.device.is_in_session(within=_FINISH_SECONDS)


def _departure(profile: Profile, vault: Vault, settings: ServerSettings) -> str | None:
    with suppress(VaultError):  # then it is an obstacle
        return departure(profile, vault, settings)
    return None


def _limit_threads(profile: Profile) -> None:
    with suppress(PolicyError):
        threads = PrivacyPolicy.load(profile.policy_file).when.threads
        if threads:
            import torch

            torch.set_num_threads(threads)
