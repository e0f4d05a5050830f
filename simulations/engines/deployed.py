"""The engine `deployed`: Flower's deployment runtime, a real SuperLink and one SuperNode a device, on loopback.

It is the nearest thing to a deployment that one machine can show, and slow: each message starts a Python process. There
is no TLS and no authentication here, so nothing but loopback may be listened on.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from client.device import create_once, default_ledger_directory
from client.privacy_ledger import PrivacyLedger
from server.rounds import Observe
from shared.preference_files import write_preference_lines
from shared.preference_lines import PreferenceLine
from shared.round_plan import FederationPlan
from shared.run_output import RunOutput
from simulations.engines.devices import check_population, enrolment_for, open_population
from simulations.engines.loopback import LOOPBACK, DeploymentError, Loopback, free_ports
from simulations.population.protocol import Population

__all__ = ["DeploymentError", "run_deployed"]

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
    model = Path(plan.model.name)
    if model.is_dir():
        plan = replace(plan, model=replace(plan.model, name=str(model.resolve())))
    devices = open_population(population, plan, directory=directory)
    with tempfile.TemporaryDirectory(prefix="tacit-deployed-") as name, ExitStack() as stack:
        place = Path(name)  # mode 0700
        roster: str | None = None
        if (enrolment := enrolment_for(plan, devices)) is not None:
            (place / "roster.json").write_text(enrolment.roster().to_json(), encoding="utf-8")
            roster = str(place / "roster.json")
        network = Loopback(place, stack)
        for index, port in enumerate(free_ports(len(population))):
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
            network.start(
                "flower-supernode", "--insecure", "--superlink", network.address, "--host", LOOPBACK,
                "--port", str(port), "--node-config", settings,
            )  # fmt: skip
        output = RunOutput(directory=str(directory.absolute()), resume=resume, roster=roster)
        network.run(plan, output, observe=observe, timeout=timeout)
