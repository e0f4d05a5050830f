"""A server with a few real devices on loopback, whose processes can be found, killed, and are started again.

SuperLink, the rounds' executor and the front door are started again by `tacit-server up`; a SuperNode by `tacit join`;
and `tacit join` itself here, as a service manager would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from client.privacy_ledger import LEDGER_FILE
from client.profile import Profile, ProfileSettings
from client.vault.keys import Passphrase
from client.vault.vault import Vault
from shared.conversation import Conversation
from shared.signing_key import SigningKey
from simulations.benchmarks.deployed_site import DeployedSite, Scripts
from simulations.engines.loopback import DeploymentError
from simulations.population.embedded.population import EmbeddedPopulation

Victim = Literal["superlink", "executor", "front-door", "supernode", "runner"]
"""Processes of the server, a device's SuperNode, and `tacit join`, which has the vault open and trains."""
VICTIMS: tuple[Victim, ...] = get_args(Victim)
_OF_THE_SERVER = ("superlink", "executor", "front-door")
_POLICY = """\
delta = 1e-3
require = "none"
minimum_cohort = 1
[user]
max_epsilon_per_run = 1e9
max_epsilon_in_total = 1e9
[secure]
organiser = "{organiser}"
corrupt_devices = 0
required = true
"""
_AGAIN_SECONDS = 2.0


@dataclass
class Fleet:
    """Attributes:
    place: a new directory that only this user may read.
    devices: how many take part.
    """

    place: Path
    devices: int
    site: DeployedSite = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack, init=False)
    _up: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _joined: dict[int, tuple[ExitStack, subprocess.Popen[bytes]]] = field(default_factory=dict, init=False)

    def __enter__(self) -> Fleet:
        """Makes everything and starts it. Raises: DeploymentError: something does not start."""
        scripts = Scripts(directory=Path(sys.executable).parent)
        self.site = DeployedSite(place=self.place, scripts=scripts)
        with self._stack:
            self.site.make_server()
            organiser = SigningKey.load(self.place / "organiser" / "organiser.key").public
            population = EmbeddedPopulation(seed=0, users=self.devices, pairs_per_user=4)
            for number in range(self.devices):
                self._make_device(number, population, organiser)
            self.site.enrol(range(self.devices))
            self._up = self._stack.enter_context(self.site.up())
            for number in range(self.devices):
                self._join(number)
            self._stack.callback(self._leave)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def ledger(self, number: int) -> Path:
        """The file of a device's ledger."""
        return self._profile(number).ledger_directory / LEDGER_FILE

    def kill(self, victim: Victim, number: int) -> int:
        """Kills a process of the server, or of device `number`; its id. Raises: DeploymentError: there is none."""
        if victim == "runner":
            found = [self._joined[number][1].pid]
        elif victim in _OF_THE_SERVER:
            parent = self._up.pid if self._up is not None else -1
            found = [pid for pid, command in _children(parent).items() if f"processes {victim} " in command]
        else:
            # Below the process that ends it with `tacit join` (`client.tied_process`).
            found = [
                pid
                for between in _children(self._joined[number][1].pid)
                for pid, command in _children(between).items()
                if "flower-supernode" in command
            ]
        if not found:
            raise DeploymentError(f"there is no {victim} to kill")
        os.kill(found[0], signal.SIGKILL)
        return found[0]

    def tend(self) -> None:
        """Starts devices again whose `tacit join` has ended. Raises: DeploymentError: the server itself has ended."""
        if self._up is None or self._up.poll() is not None:
            raise DeploymentError(f"the server has ended: see {self.place / 'up.log'}")
        for number, (stack, process) in list(self._joined.items()):
            if process.poll() is not None:
                stack.close()
                time.sleep(_AGAIN_SECONDS)
                self._join(number)

    def _join(self, number: int) -> None:
        stack = ExitStack()
        self._joined[number] = (stack, stack.enter_context(self.site.joined(number, self.site.port)))

    def _leave(self) -> None:
        for stack, _ in self._joined.values():
            stack.close()

    def _profile(self, number: int) -> Profile:
        return Profile(home=Path(self.site.home(number)["TACIT_HOME"]), settings=ProfileSettings())

    def _make_device(self, number: int, population: EmbeddedPopulation, organiser: str) -> None:
        """A profile whose vault holds a simulated user's pairs, as if they had come from conversations here."""
        environment = self.site.home(number)
        unlocker = Passphrase(environment["TACIT_PASSPHRASE"])
        profile = Profile.create(Path(environment["TACIT_HOME"]), ProfileSettings(), unlocker)
        vault = Vault.open(profile.vault_directory, unlocker)
        try:
            vault.consents.decide("chats", granted=True)
            for place, pair in enumerate(population.pairs(number)):
                said = Conversation(conversation_id=f"c{place}", messages=(*pair.prompt, *pair.chosen))
                vault.conversations.put(said, source="chats")
                vault.personas.save(vault.personas.load().write(str(pair.persona)))
                vault.pairs.add(pair, conversation_ids=[f"c{place}"], persona=vault.personas.load().written)
        finally:
            vault.close()
        profile.policy_file.write_text(_POLICY.format(organiser=organiser), encoding="utf-8")
        profile.policy_file.chmod(0o600)


def _children(parent: int) -> dict[int, str]:
    """Process id and command of a process's children."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="],  # noqa: S607
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    split = (line.split(None, 2) for line in listed.splitlines())
    return {int(pid): arguments for pid, ppid, arguments in split if int(ppid) == parent}
