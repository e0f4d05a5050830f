"""The grid: each kind of process killed once in each phase of a round, and what has become of the run afterwards.

A cell is a run of two rounds under masks and noise. The process is killed in the second, when one release stands; in
the column `release`, when the first is about to be written, so that another round follows. After the run the ledgers of
server and devices, the chain of releases and the adapter are checked, whatever the run itself says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tomli_w
from safetensors.numpy import load_file

from server.deployment.directory import ServerDirectory
from server.deployment.runs import ServerRun
from server.ledger import LEDGER_FILE, read_state
from server.release_chain import read_chain, read_release
from server.releases import ADAPTER_DIRECTORY, CHECKPOINT_FILE, read_rounds
from server.whole_files import write_whole
from shared.flat_config import to_tables
from shared.plan_terms import SecureAggregationTerms, UserPrivacyTerms
from shared.release import ReleaseManifestError
from shared.round_plan import FederationPlan
from simulations.engines.loopback import DeploymentError
from simulations.faults.fleet import Fleet, Victim
from simulations.faults.watch import Phase, Watch, charged
from simulations.run.ledger_check import check_device_ledger, check_run_ledger

RESULT_FILE = "faults.json"
_ROUNDS = 2
_ATTEMPTS = 3
_CELL_SECONDS = 420.0
_LOOK_SECONDS = 0.004
_VICTIM_DEVICE = 0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Attributes:
    victim: what is killed; None disturbs nothing.
    phase: when.
    """

    victim: Victim | None
    phase: Phase | None

    @property
    def name(self) -> str:
        """Of its run."""
        return "undisturbed" if self.victim is None else f"{self.victim}-{self.phase}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a cell's run.

    Attributes:
        wrong: everything that is not as it must be; empty where the run ended whole.
        seconds: of the run, from its asking to its end.
        attempts, replies: of each round.
        starts: how often the run was handed to SuperLink.
    """

    wrong: tuple[str, ...]
    seconds: float
    attempts: tuple[int, ...] = ()
    replies: tuple[int, ...] = ()
    starts: int = 0


def plan_of(devices: int) -> FederationPlan:
    """Two rounds of all devices under masks, of which one may vanish, and noise."""
    return FederationPlan(
        rounds=_ROUNDS,
        devices=devices,
        cohort_size=devices,
        minimum_replies=devices - 1,
        attempts=_ATTEMPTS,
        round_timeout=120.0,
        sampling="schedule",
        user_privacy=UserPrivacyTerms(mechanism="skellam", noise_multiplier=1.0, participations=_ROUNDS * _ATTEMPTS),
        secure_aggregation=SecureAggregationTerms(dropout=1 / devices, corrupt=0.0, stage_timeout=90.0),
    )


def run_cells(
    fleet: Fleet, cells: Sequence[Cell], directory: Path, *, ended: Callable[[Cell, Outcome], None]
) -> dict[str, Outcome]:
    """Runs cells one after another; those that `faults.json` of the directory has are not run again.

    Raises:
        DeploymentError: the server itself has ended, or a cell's run would not stop.
    """
    file = directory / RESULT_FILE
    found = read_outcomes(file)
    for cell in cells:
        if cell.name not in found:
            found[cell.name] = run_cell(fleet, cell)
            content = {name: asdict(outcome) for name, outcome in found.items()}
            write_whole(file, (json.dumps(content, indent=1) + "\n").encode())
        ended(cell, found[cell.name])
    return found


def read_outcomes(file: Path) -> dict[str, Outcome]:
    """What was found before; nothing where there is no such file."""
    if not file.exists():
        return {}
    said = json.loads(file.read_text(encoding="utf-8"))
    return {
        name: Outcome(
            wrong=tuple(one["wrong"]),
            seconds=one["seconds"],
            attempts=tuple(one["attempts"]),
            replies=tuple(one["replies"]),
            starts=one["starts"],
        )
        for name, one in said.items()
    }


def run_cell(fleet: Fleet, cell: Cell) -> Outcome:
    """One run, disturbed once. Raises: DeploymentError: the server itself has ended, or the run does not stop."""
    plan_file = fleet.place / "plan.toml"
    plan_file.write_text(tomli_w.dumps(to_tables(plan_of(fleet.devices).to_run_config())), encoding="utf-8")
    name = f"{cell.name}-{time.time_ns() // 10**6}"
    run = ServerRun(ServerDirectory(fleet.site.server), name)
    ledgers = {number: fleet.ledger(number) for number in range(fleet.devices)}
    began = time.monotonic()
    at_server = ("--server", str(fleet.site.server))
    fleet.site.scripts.run("tacit-server", "train", "--plan", str(plan_file), "--name", name, "--no-follow", *at_server)
    watch = Watch(run.path, ledgers, round_number=1 if cell.phase == "release" else 2)
    killed = cell.victim is None
    while (now := run.control()) is None or not now.is_over:
        if not killed and cell.victim and cell.phase and watch.has_begun(cell.phase, _VICTIM_DEVICE):
            fleet.kill(cell.victim, _VICTIM_DEVICE)
            killed = True
        if time.monotonic() - began > _CELL_SECONDS:
            fleet.site.scripts.run("tacit-server", "stop", name, *at_server)
            return Outcome(wrong=(f"it did not end in {_CELL_SECONDS:g} s",), seconds=_CELL_SECONDS)
        fleet.tend()
        time.sleep(_LOOK_SECONDS if not killed else 0.2)
    records = read_rounds(run.path)
    return Outcome(
        wrong=(*(() if killed else ("nothing was killed: the phase was not seen",)), *faults_of(run, ledgers)),
        seconds=time.monotonic() - began,
        attempts=tuple(record.attempts for record in records),
        replies=tuple(record.replies for record in records),
        starts=now.starts,
    )


def faults_of(run: ServerRun, ledgers: Mapping[int, Path]) -> tuple[str, ...]:
    """Everything that a run and its devices' ledgers show which must not be.

    Args:
        ledgers: of the devices, by number.
    """
    control = run.control()
    if control is None or control.state != "finished":
        return (f"the run is {'gone' if control is None else f'{control.state}: {control.said}'}",)
    wrong: list[str] = []
    try:
        state = read_state(run.path / LEDGER_FILE)
        checks = check_run_ledger(run.path / LEDGER_FILE).checks
    except (ValueError, RuntimeError, OSError) as error:
        return (f"the server's ledger: {error}",)
    if state is None or not checks or not all(check.agrees for check in checks):
        return ("the server's ledger: its ε does not come again",)
    if state.released != tuple(range(1, _ROUNDS + 1)) or len(set(state.asked)) != len(state.asked):
        wrong.append(f"the server's ledger: released {state.released}, asked {state.asked}")
    records = read_rounds(run.path)
    if [record.round_number for record in records] != list(range(1, _ROUNDS + 1)):
        wrong.append("rounds.jsonl does not hold every round once")
    for number, ledger in ledgers.items():
        try:
            check_device_ledger(ledger, delta=1e-6)
        except (ValueError, RuntimeError, OSError) as error:
            wrong.append(f"the ledger of device {number}: {error}")
        mine = charged(ledger, state.run)
        if len(set(mine)) != len(mine) or not set(mine) <= set(state.asked):
            wrong.append(f"device {number} has debited {mine}, and the server asked {state.asked}")
    for record in records:
        asked = [place for place in state.asked if place[0] == record.round_number]
        debited = sum(asked[-1] in charged(ledger, state.run) for ledger in ledgers.values())
        if debited < record.replies:
            wrong.append(f"round {record.round_number} sums {record.replies} devices, and {debited} have debited it")
    wrong += _faults_of_releases(run)
    return tuple(wrong)


def _faults_of_releases(run: ServerRun) -> list[str]:
    try:
        chain = read_chain(run.path)
        payload = read_release(run.path, chain[-1])
        checkpoint = load_file(run.path / CHECKPOINT_FILE)["vector"]
    except (ReleaseManifestError, OSError, IndexError, ValueError) as error:
        return [f"the releases: {error}"]
    wrong = []
    if [manifest.round_number for manifest in chain] != list(range(1, _ROUNDS + 1)):
        wrong.append("the chain of releases lacks a round")
    if not np.array_equal(np.asarray(payload.vector), checkpoint):
        wrong.append("the last release is not the checkpoint")
    if not (run.path / ADAPTER_DIRECTORY / "adapter_model.safetensors").is_file():
        wrong.append("there is no adapter")
    return wrong


__all__ = ["RESULT_FILE", "Cell", "DeploymentError", "Outcome", "read_outcomes", "run_cell", "run_cells"]
