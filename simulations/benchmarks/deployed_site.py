"""A server, its organiser and its devices, each in a directory of its own and by the commands that people type.

Nothing is called in this process: every step is one of the console scripts that lie beside a Python, so that what is
timed is what an operator waits for. All of it listens on loopback.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from server.deployment.directory import ServerSettings
from shared.invite import Invite
from simulations.engines.loopback import DeploymentError, free_ports

_COMMAND_SECONDS = 600.0
_SERVES = frozenset({"superlink serves", "front-door serves"})
_SHOWN = 400  # characters of what a failed command said


@dataclass(frozen=True, kw_only=True)
class Scripts:
    """The console scripts of one installation.

    Attributes:
        directory: where they lie.
        is_isolated: whether they must import what is installed there alone, and not what PYTHONPATH names.
    """

    directory: Path
    is_isolated: bool = False

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """A command's standard output. Raises: DeploymentError: it failed, or did not end."""
        try:
            done = subprocess.run(  # noqa: S603
                self.command(*arguments), env=self._all(environment), stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=_COMMAND_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DeploymentError(f"`{arguments[0]} {arguments[1]}` did not end in {_COMMAND_SECONDS:g} s") from None
        if done.returncode:
            raise DeploymentError(f"`{arguments[0]} {arguments[1]}` failed: {(done.stdout + done.stderr)[-_SHOWN:]}")
        return done.stdout

    @contextmanager
    def started(
        self, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A command that goes on; it is asked to end, and after a minute made to."""
        with log.open("ab") as file:
            process = subprocess.Popen(  # noqa: S603
                self.command(*arguments), env=self._all(environment), stdin=subprocess.DEVNULL, stdout=file,
                stderr=file, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def command(self, *arguments: str) -> list[str]:
        """As it is started."""
        return [str(self.directory / arguments[0]), *arguments[1:]]

    def _all(self, environment: Mapping[str, str] | None) -> dict[str, str]:
        # Rich wraps what it prints at the width of a terminal: nothing that is read here may be cut.
        kept = {name: value for name, value in os.environ.items() if not (self.is_isolated and name == "PYTHONPATH")}
        return {
            **kept, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false",
            "COLUMNS": "1000", **(environment or {}),
        }  # fmt: skip


@dataclass(kw_only=True)
class DeployedSite:
    """One federation on this machine.

    Attributes:
        place: everything of it is below.
        took: seconds of every step, by what it was, in order.
    """

    place: Path
    scripts: Scripts
    took: dict[str, float] = field(default_factory=dict)
    # The vaults' own, which nobody types again.
    _passphrase: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    _port: int = 0
    _metrics_port: int = 0

    @property
    def server(self) -> Path:
        """The server's directory."""
        return self.place / "server"

    @property
    def port(self) -> int:
        """Of the front door."""
        return self._port

    @property
    def metrics_port(self) -> int:
        """Of /metrics and /health, on loopback."""
        return self._metrics_port

    def timed(self, what: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Runs a command and adds its seconds to `took`."""
        began = time.perf_counter()
        try:
            return self.scripts.run(*arguments, environment=environment)
        finally:
            self.took[what] = self.took.get(what, 0.0) + time.perf_counter() - began

    def make_server(self) -> None:
        """Server, organiser and code list. Raises: DeploymentError."""
        self._port, self._metrics_port = free_ports(2)
        self.timed(
            "tacit-server init",
            "tacit-server", "init", str(self.server), "--host", "localhost", "--port", str(self._port),
        )  # fmt: skip
        settings = ServerSettings.from_toml((self.server / "server.toml").read_text(encoding="utf-8"))
        settings = replace(settings, metrics_port=self._metrics_port, listen="127.0.0.1")
        (self.server / "server.toml").write_text(settings.to_toml(), encoding="utf-8")
        organiser = self.place / "organiser"
        key = self.timed("tacit-server organiser init", "tacit-server", "organiser", "init", str(organiser)).split()[-1]
        bundle = self.timed("tacit-server bundle", "tacit-server", "bundle").split()[-1]
        code = str(self.place / "code-list.json")
        self.timed(
            "tacit-server organiser allow-code",
            "tacit-server", "organiser", "allow-code", bundle, "--key", str(organiser / "organiser.key"),
            "--version", "1", "--days", "1", "--out", code,
        )  # fmt: skip
        self.timed(
            "tacit-server invite",
            "tacit-server", "invite", str(self.server), "--organiser-key", key, "--code-list", code,
            "--out", str(self.place / "invite.json"),
        )  # fmt: skip

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """The server, serving. Raises: DeploymentError: it does not."""
        log, began = self.place / "up.log", time.perf_counter()
        with self.scripts.started("tacit-server", "up", str(self.server), log=log) as process:
            self.until(
                lambda: set(log.read_text(encoding="utf-8").splitlines()) >= _SERVES,
                "the server did not come up: see server/logs", process=process,
            )  # fmt: skip
            self.took["tacit-server up, until it serves"] = time.perf_counter() - began
            yield process

    def tacit(self, number: int, what: str, *arguments: str) -> str:
        """A command on a device."""
        return self.timed(what, "tacit", *arguments, environment=self.home(number))

    def home(self, number: int) -> dict[str, str]:
        """The environment in which a device's profile is."""
        return {"TACIT_HOME": str(self.place / f"device-{number}"), "TACIT_PASSPHRASE": self._passphrase}

    def enrol(self, numbers: Sequence[int]) -> None:
        """The server lets devices connect, and the organiser signs the roster. Raises: DeploymentError."""
        cards = [str(self.place / f"card-{number}.json") for number in numbers]
        for number, card in zip(numbers, cards, strict=True):
            self.tacit(number, "tacit card", "card", "--out", card)
        self.timed("tacit-server enrol", "tacit-server", "enrol", *cards, "--server", str(self.server))
        listed = self.place / "devices.txt"
        listed.write_text(
            self.timed(
                "tacit-server devices --for-organiser",
                "tacit-server", "devices", "--for-organiser", "--server", str(self.server),
            ),
            encoding="utf-8",
        )  # fmt: skip
        self.timed(
            "tacit-server organiser roster",
            "tacit-server", "organiser", "roster", str(listed), "--key", str(self.place / "organiser/organiser.key"),
            "--federation", "benchmark", "--version", "1", "--out", str(self.server / "roster.json"),
        )  # fmt: skip

    def status(self) -> dict[str, object]:
        """What `tacit-server status --json` says. Raises: DeploymentError."""
        said = json.loads(self.scripts.run("tacit-server", "status", str(self.server), "--json"))
        if not isinstance(said, dict):
            raise DeploymentError("`tacit-server status --json` gave no object")
        return said

    def online(self) -> int:
        """Devices that are connected now."""
        counts = self.status()["devices"]
        return int(counts["online"] or 0) if isinstance(counts, dict) else 0

    def allow_small_cohorts(self, number: int, least: int) -> None:
        """Edits the policy that `tacit join` wrote, as its owner must: by default no device answers in a small cohort.

        Raises: DeploymentError: there is no such line.
        """
        policy = self.place / f"device-{number}" / "policy.toml"
        text = policy.read_text(encoding="utf-8")
        text, count = re.subn(r"(?m)^minimum_cohort = \d+", f"minimum_cohort = {least}", text)
        if count != 1:
            raise DeploymentError(f"{policy} has no line minimum_cohort")
        policy.write_text(text, encoding="utf-8")

    def invite_by(self, port: int, number: int) -> tuple[Path, str]:
        """The invite for a device that reaches the server by another port; the file and its fingerprint."""
        made = Invite.parse((self.place / "invite.json").read_text(encoding="utf-8"))
        made = replace(made, server=f"localhost:{port}")
        path = self.place / f"invite-{number}.json"
        path.write_text(made.to_json(), encoding="utf-8")
        return path, made.fingerprint()

    @contextmanager
    def joined(self, number: int, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """A device that takes part. A policy that is there already is kept."""
        path, fingerprint = self.invite_by(port, number)
        with self.scripts.started(
            "tacit", "join", str(path), "--fingerprint", fingerprint, "--number", str(number),
            log=self.place / f"join-{number}.log", environment=self.home(number),
        ) as process:  # fmt: skip
            yield process

    def until(
        self, true: Callable[[], bool], otherwise: str, *, process: subprocess.Popen[bytes], seconds: float = 300.0
    ) -> None:
        """Waits. Raises: DeploymentError: the process ended before, or it took too long; says `otherwise`."""
        deadline = time.monotonic() + seconds
        while not true():
            if process.poll() is not None or time.monotonic() > deadline:
                raise DeploymentError(f"{otherwise} (in {self.place})")
            time.sleep(0.1)
