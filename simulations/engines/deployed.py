"""The engine `deployed`: Flower's deployment runtime, a real SuperLink and one SuperNode a device, on loopback.

It is the nearest thing to a deployment that one machine can show, and slow: each message starts a Python process. There
is no TLS and no authentication here, so nothing but loopback may be listened on.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import tomli_w

from client.device import create_once, default_ledger_directory
from client.privacy_ledger import PrivacyLedger
from server.releases import ADAPTER_DIRECTORY, read_rounds
from server.rounds import Observe
from shared.flat_config import to_tables
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from shared.round_plan import FederationPlan, RunOutput
from simulations.engines.devices import check_population, enrolment_for, open_population
from simulations.population.protocol import Population

_PROJECT = Path(__file__).resolve().parents[2]
_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_COMMAND_SECONDS = 120.0
_STATUS_SECONDS = 10.0
_STOP_SECONDS = 5.0
# Simulated people allow whatever a researcher asks for; their devices keep real ledgers and enforce their caps.
_POLICY = """
delta = 1e-5
require = "none"
[user]
max_epsilon_per_run = 1e9
max_epsilon_in_total = 1e9
trust_the_server_to_add_noise = true
[pair]
max_epsilon_per_run = 1e9
max_epsilon_in_total = 1e9
[secure]
organiser = "first-use"
corrupt_devices = 0
"""
# A SuperNode and its executor take some 260 MB.
_MOST_DEVICES = 32


class DeploymentError(RuntimeError):
    """The deployment did not start, or its run failed. Every process of it has been ended."""


def run_deployed(
    plan: FederationPlan,
    population: Population,
    *,
    directory: Path,
    resume: bool = False,
    observe: Observe | None = None,
    timeout: float = 3600.0,
) -> None:
    """Runs a plan over a population through Flower's deployment runtime and leaves the run directory.

    Each device's pairs are a file in a temporary directory that only this user may read, removed at the end.

    Args:
        observe: called after each round's release, from this process.
        timeout: seconds for all of it.

    Raises:
        DeploymentError: the run failed or took too long, or this is not a checkout of the project, which the bundle is
            built from.
    """
    check_population(plan, population)
    if len(population) > _MOST_DEVICES:
        raise DeploymentError(f"the engine 'deployed' starts a process a device: at most {_MOST_DEVICES} devices")
    if not (_PROJECT / "pyproject.toml").is_file():
        raise DeploymentError("the engine 'deployed' builds a bundle, and needs a checkout of the project")
    model = Path(plan.model.name)
    if model.is_dir():
        plan = replace(plan, model=replace(plan.model, name=str(model.resolve())))
    devices = open_population(population, plan, directory=directory)
    deadline = time.monotonic() + timeout
    with tempfile.TemporaryDirectory(prefix="tacit-deployed-") as name, ExitStack() as stack:
        place = Path(name)  # mode 0700
        roster: str | None = None
        if (enrolment := enrolment_for(plan, devices)) is not None:
            (place / "roster.json").write_text(enrolment.roster().to_json(), encoding="utf-8")
            roster = str(place / "roster.json")
        environment = _environment(place)
        ports = _free_ports(1 + len(population))
        address = f"{_LOOPBACK}:{ports[0]}"
        start = _starter(place, environment, stack)
        start("flower-superlink", "--insecure", "--host", _LOOPBACK, "--port", str(ports[0]))
        _wait_for_port(ports[0])
        for index, port in enumerate(ports[1:]):
            own = place / f"device-{index}"
            own.mkdir(mode=0o700)
            pairs = own / "pairs.jsonl"
            write_preference_lines(pairs, [PreferenceLine(pair=pair) for pair in population.pairs(index)])
            state = own / "state"
            state.mkdir(mode=0o700)
            simulated = devices.device(index)
            for name_of, key in (("noise", simulated.noise_key()), ("identity", simulated.identity().to_bytes())):
                create_once(state / f"{name_of}.key", key)
            PrivacyLedger(directory=default_ledger_directory(state), anchor_directory=state).begin()
            policy = own / "policy.toml"
            policy.write_text(_POLICY, encoding="utf-8")
            policy.chmod(0o600)
            settings = f'pairs="{pairs}" state-dir="{state}" policy="{policy}" device-number={index}'
            start(
                "flower-supernode", "--insecure", "--superlink", address, "--host", _LOOPBACK, "--port", str(port),
                "--node-config", settings,
            )  # fmt: skip
        home = place / "flower"
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "loopback"\n[superlink.loopback]\naddress = "{address}"\ninsecure = true\n'
        )
        output = RunOutput(directory=str(directory.absolute()), resume=resume, roster=roster)
        config = place / "run.toml"
        config.write_text(tomli_w.dumps(to_tables(plan.to_run_config() | output.to_run_config())))
        run_id = _flwr(environment, place, "run", str(_PROJECT), "loopback", "--run-config", str(config))["run-id"]
        _follow(plan, directory, deadline, observe, lambda: _state(environment, place, str(run_id)), resume=resume)


def _follow(
    plan: FederationPlan,
    directory: Path,
    deadline: float,
    observe: Observe | None,
    state: Callable[[], str],
    *,
    resume: bool,
) -> None:
    """Reports rounds as they are released, until the run has ended."""
    seen = len(read_rounds(directory)) if resume else 0
    asked = time.monotonic()
    while True:
        records = read_rounds(directory)
        for record in records[seen:]:
            if observe is not None:
                observe(record)
        seen = max(seen, len(records))
        if len(records) == plan.rounds and (directory / ADAPTER_DIRECTORY).is_dir():
            return
        now = time.monotonic()
        if now > deadline:
            raise DeploymentError(f"the run had {len(records)} of {plan.rounds} rounds when its time was over")
        if now - asked > _STATUS_SECONDS:
            asked = now
            said = state()
            if said.startswith("finished") and not (directory / ADAPTER_DIRECTORY).is_dir():
                raise DeploymentError(f"the run ended after {len(read_rounds(directory))} rounds: {said}")
        time.sleep(0.5)


def _state(environment: dict[str, str], place: Path, run_id: str) -> str:
    listed = _flwr(environment, place, "list", "loopback", "--run-id", run_id)
    runs = listed.get("runs")
    if isinstance(runs, list) and runs and isinstance(runs[0], dict):
        return str(runs[0].get("status", ""))
    return ""


def _flwr(environment: dict[str, str], place: Path, *arguments: str) -> dict[str, object]:
    """One of Flower's commands, and its JSON."""
    try:
        done = subprocess.run(  # noqa: S603
            [_command("flwr"), *arguments, "--format", "json"],
            cwd=place, env=environment, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DeploymentError(f"`flwr {arguments[0]}` did not end in {_COMMAND_SECONDS:g} s") from None
    try:
        said = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        raise DeploymentError(f"`flwr {arguments[0]}` failed: {(done.stdout + done.stderr)[-400:]}") from None
    if not isinstance(said, dict) or not said.get("success"):
        raise DeploymentError(f"`flwr {arguments[0]}` failed: {done.stdout[-400:]}")
    return said


def _starter(place: Path, environment: dict[str, str], stack: ExitStack) -> Callable[..., None]:
    def start(*arguments: str) -> None:
        stack.enter_context(_process([_command(arguments[0]), *arguments[1:]], place, environment))

    return start


@contextmanager
def _process(arguments: Sequence[str], place: Path, environment: dict[str, str]) -> Iterator[None]:
    # In a session of its own: Ctrl-C is answered here, in order.
    process = subprocess.Popen(  # noqa: S603
        arguments, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        # Executors and apps are started in sessions of their own: found by descent, while their parents live.
        family = [process.pid, *_descendants(process.pid)]
        for end in (signal.SIGTERM, signal.SIGKILL):
            for member in family:
                with suppress(ProcessLookupError):
                    os.kill(member, end)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        process.wait()


def _descendants(ancestor: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)  # noqa: S607
    children: dict[int, list[int]] = {}
    for line in listed.stdout.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found, waiting = [], [ancestor]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


def _environment(place: Path) -> dict[str, str]:
    home = place / "flower"
    home.mkdir()
    scripts = str(Path(sys.executable).parent)
    # Not the caller's PYTHONPATH: the bundle's own code must run.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")]),
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        # A bundle holds no weights.
        "TACIT_TINY_MODEL": str(_PROJECT / "shared" / "tiny_model"),
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _command(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind((_LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((_LOOPBACK, port), timeout=1.0):
                return
        except OSError:
            time.sleep(0.2)
    raise DeploymentError(f"the SuperLink did not listen within {_START_SECONDS:g} s")
