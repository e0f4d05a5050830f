"""Taking part: a SuperNode that talks to the server, and this process, which answers with the vault open.

server ── TLS ── flower-supernode (no key to anything) ── loopback, shared secret ── this process (the vault)
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from client.app import build_client_app
from client.invitation import code_list_of
from client.local_executor import LocalExecutor
from client.privacy_policy import PolicyError, PrivacyPolicy
from client.profile import Profile
from client.server_settings import ServerSettings
from client.unlocking import PASSPHRASE_VARIABLE
from client.vault.vault import Vault
from client.vault_device import VaultDevice
from shared.private_files import write_private

_LOG = logging.getLogger(__name__)
_LOOPBACK = "127.0.0.1"
# A server remembers a node that died for up to a minute, and refuses another of its key meanwhile.
_BACK_OFF_SECONDS = (2.0, 5.0, 15.0, 15.0, 30.0, 60.0)
_SETTLED_SECONDS = 120.0
_END_SECONDS = 10.0
_LOOK_SECONDS = 1.0


class JoiningError(RuntimeError):
    """Flower's SuperNode cannot be started. Says what to do."""


def take_part(
    profile: Profile,
    vault: Vault,
    settings: ServerSettings,
    stop: threading.Event,
    *,
    answered: Callable[[], None] = lambda: None,
    waits: Callable[[str | None], None] = lambda _reason: None,
) -> None:
    """Answers a server until told to stop. A SuperNode that ends is started again, later and later.

    While its user has paused, or the policy's `[when]` does not allow it, the device has no connection.

    Args:
        answered: called after each message.
        waits: told why this device is not there, and None when it is again.

    Raises:
        JoiningError: there is no SuperNode to start.
    """
    command = _command()
    device = VaultDevice(profile, vault)
    app = build_client_app(lambda _: device)
    with tempfile.TemporaryDirectory(prefix="tacit-node-") as name:  # mode 0700
        place = Path(name)
        secret = secrets.token_bytes(32)
        write_private(place / "secret", [secret], synced=False)
        port = _free_port()
        arguments = [
            command, "--superlink", settings.address, "--host", _LOOPBACK, "--port", str(port),
            "--isolation", "process", "--superexec-auth-secret-file", str(place / "secret"),
            "--node-config", f"device-number={settings.number}",
        ]  # fmt: skip
        if settings.root_certificates is None:
            arguments.append("--insecure")
        else:
            arguments += ["--root-certificates", str(settings.root_certificates)]
        if settings.node_key is not None:
            arguments += ["--auth-supernode-private-key", str(settings.node_key)]
        supervisor = threading.Thread(
            target=_supervise, args=(arguments, place, stop, device.obstacle, waits), daemon=True
        )
        supervisor.start()
        _limit_threads(profile)
        executor = LocalExecutor(
            f"{_LOOPBACK}:{port}", secret=secret, app=app, code=lambda: code_list_of(profile, settings)
        )
        try:
            executor.run(stop, answered=answered)
        finally:
            stop.set()
            supervisor.join(timeout=2 * _END_SECONDS)


def _limit_threads(profile: Profile) -> None:
    with suppress(PolicyError):
        threads = PrivacyPolicy.load(profile.policy_file).when.threads
        if threads:
            import torch

            torch.set_num_threads(threads)


def _supervise(
    arguments: list[str],
    place: Path,
    stop: threading.Event,
    obstacle: Callable[[], str | None],
    waits: Callable[[str | None], None],
) -> None:
    failures = 0
    while not stop.is_set():
        reason = obstacle()
        waits(reason)
        if reason is not None:
            stop.wait(_LOOK_SECONDS)
            continue
        begun = time.monotonic()
        with _process(arguments, place) as node:
            while node.poll() is None and not stop.is_set() and reason is None:
                stop.wait(_LOOK_SECONDS)
                reason = obstacle()
        if stop.is_set() or reason is not None:
            continue
        failures = 0 if time.monotonic() - begun > _SETTLED_SECONDS else failures + 1
        pause = _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS)) - 1] if failures else _BACK_OFF_SECONDS[0]
        _LOG.warning("the connection to the server ended (status %s): again in %.0f s", node.returncode, pause)
        stop.wait(pause)


@contextmanager
def _process(arguments: list[str], place: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {name: value for name, value in os.environ.items() if name != PASSPHRASE_VARIABLE}
    environment |= {
        "FLWR_HOME": str(place / "flower"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    }
    with (place / "node.log").open("ab") as log:
        node = subprocess.Popen(  # noqa: S603
            arguments, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield node
        finally:
            node.terminate()
            try:
                node.wait(timeout=_END_SECONDS)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()


def _command() -> str:
    beside = Path(sys.executable).with_name("flower-supernode")
    found = str(beside) if beside.is_file() else shutil.which("flower-supernode")
    if found is None:
        raise JoiningError("flower-supernode is not installed beside this Python: install Tacit again")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
