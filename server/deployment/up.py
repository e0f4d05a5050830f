"""`tacit-server up`: SuperLink, the front door and the executor, watched over until somebody ends it."""

from __future__ import annotations

import signal
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import httpx

from server.deployment.certificates import check_pair, check_validity
from server.deployment.devices import DeviceBook
from server.deployment.directory import DeploymentError, ServerDirectory
from server.deployment.processes import EXECUTOR, FRONT_DOOR, SUPERLINK
from server.deployment.running import LOOPBACK, Running, claimed
from server.deployment.superlink import connected, flower_environment, is_serving
from server.deployment.supervisor import Service, Supervisor

_SOON_DAYS = 30
_SECRET_FILES = ("server.key", "superexec.secret", "tls/server.key", "tls/superlink.key")
_AUTHORITY_KEY = "tls/authority.key"  # may be kept elsewhere: only `renew` needs it


def serve(directory: ServerDirectory, *, say: Callable[[str], None], stop: threading.Event | None = None) -> None:
    """Serves until SIGTERM, Ctrl-C, or `stop`.

    Args:
        say: told what an operator wants to know, a line at a time.
        stop: instead of signals.

    Raises:
        DeploymentError: not a server's directory, a server runs in it, a port is in use, or a secret can be read by
            others.
        CertificateError: a certificate has expired, or its key is another's. ConfigError: `server.toml` is not right.
    """
    settings = directory.settings()
    _check_secrets(directory)
    for name in ("server", "superlink"):
        check_pair(*directory.certificate(name))
        left = check_validity(directory.certificate(name)[0])
        if left.days < _SOON_DAYS:
            say(f"the certificate {name}.pem expires in {left.days} days: tacit-server renew")
    check_validity(directory.authority)
    asked = stop or threading.Event()
    if stop is None:
        _stop_on_signals(asked)
    with claimed(directory, settings) as running:
        health = f"http://{LOOPBACK}:{settings.metrics_port}/health"
        services = [
            replace(
                _service(directory, SUPERLINK),
                is_healthy=lambda: is_serving(running) and _superlink_answers(directory, running),
                healthy=lambda: _follow_devices(directory, running, say),
            ),
            *(() if settings.is_link else (_service(directory, EXECUTOR),)),
            replace(_service(directory, FRONT_DOOR), is_healthy=lambda: _answers(health)),
        ]
        say(f"serving {settings.address}; /metrics on {LOOPBACK}:{settings.metrics_port}; logs in {directory.logs}")
        Supervisor(services, directory.logs, say=say).run(asked)
        say("stopped")


def _service(directory: ServerDirectory, name: str) -> Service:
    command = [sys.executable, "-m", "server.deployment.processes", name, str(directory.path)]
    return Service(name=name, command=command, environment=flower_environment(directory))


def _follow_devices(directory: ServerDirectory, running: Running, say: Callable[[str], None]) -> None:
    try:
        with connected(directory, running) as control:
            added, removed = control.follow(DeviceBook(directory.devices))
    except DeploymentError as error:
        say(f"the devices could not be told to SuperLink: {error}")
        return
    if added or removed:
        say(f"SuperLink was told of {added} devices more, and {removed} less")


def _superlink_answers(directory: ServerDirectory, running: Running) -> bool:
    """Flower's health service says that it serves as long as its process lives: so its HTTP port is asked, too."""
    context = ssl.create_default_context(cafile=str(directory.authority))
    return _answers(f"https://{running.address}/health", context)


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        return httpx.get(url, timeout=3.0, verify=True if context is None else context, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _check_secrets(directory: ServerDirectory) -> None:
    for name in (*_SECRET_FILES, _AUTHORITY_KEY):
        path = directory.path / name
        try:
            mode = path.stat().st_mode
        except OSError as error:
            if name == _AUTHORITY_KEY and isinstance(error, FileNotFoundError):
                continue
            raise DeploymentError(f"cannot read {path}: {error.strerror}") from None
        if mode & 0o077:
            raise DeploymentError(f"{path} can be read by others: set its mode to 0600")


def _stop_on_signals(stop: threading.Event) -> None:
    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, ask)
