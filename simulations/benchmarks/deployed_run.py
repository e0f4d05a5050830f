"""One run of a federation that `deployed_site` has made: devices join, it is trained, and what that took is measured.

Where ε is stated it is read as it is printed. The server's and every device's statement must be the same.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from statistics import mean

import httpx
import tomli_w

from server.releases import read_rounds
from server.round_record import RoundRecord
from shared.flat_config import Scalar, to_tables
from simulations.benchmarks.counting_relay import CountingRelay, Passed
from simulations.benchmarks.deployed_site import DeployedSite
from simulations.benchmarks.process_costs import cpu_seconds, descendants_of, name_of, peak_bytes
from simulations.benchmarks.superlink_messages import MessageWatch, StageTimes, stage_times
from simulations.engines.loopback import DeploymentError

RUN = "benchmark"
_LOOK_SECONDS = 0.2
_RUN_SECONDS = 1800.0
_SHOWN = 400  # characters of what a failed command said
_EPSILON = re.compile(r"ε = ([0-9.]+|∞)")
_METRIC = re.compile(rf'(?m)^tacit_run_epsilon{{run="{RUN}",unit="user",observer="(server|model)"}} (\S+)$')
_BOTH = re.compile(r"ε = ([0-9.]+|∞) \(server\), ([0-9.]+|∞) \(models\)")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Attributes:
    rounds, devices: a mapping of figures each, in order.
    idle: bytes up and down of one device in a minute in which there was nothing to do.
    privacy: what was printed, and by whom.
    server_peak_bytes: by process.
    records: as the server has them.
    first_release: when the first round was released, seconds since 1970.
    """

    rounds: list[dict[str, object]]
    devices: list[dict[str, object]]
    idle: dict[str, float]
    privacy: dict[str, object]
    server_peak_bytes: dict[str, int]
    records: list[RoundRecord]
    first_release: float


def federate(
    site: DeployedSite,
    plan: Mapping[str, Scalar],
    *,
    idle_seconds: float,
    progress: Callable[[str], None] = lambda _line: None,
) -> Measured:
    """Runs a plan with all its devices, whose profiles and enrolment are there.

    Args:
        plan: flat keys; all devices are in every round.
        idle_seconds: for how long bytes are counted before the run.

    Raises:
        DeploymentError: the run did not end with all its rounds, or two statements of ε differ.
    """
    numbers = range(int(plan["federation.devices"]))
    with ExitStack() as stack:
        server = stack.enter_context(site.up())
        relays = [CountingRelay(site.port) for _ in numbers]
        for relay in relays:
            stack.callback(relay.close)
        began = time.perf_counter()
        joined = [stack.enter_context(site.joined(number, relays[number].port)) for number in numbers]
        site.until(lambda: site.online() == len(numbers), "not all devices came online: see join-N.log", process=server)
        site.took["tacit join, until all are online"] = time.perf_counter() - began
        for number in numbers:
            site.allow_small_cohorts(number, len(numbers))
        progress(f"{len(numbers)} devices are online")
        before = [relay.passed() for relay in relays]
        time.sleep(idle_seconds)
        idle = [relay.passed().since(earlier) for relay, earlier in zip(relays, before, strict=True)]
        file = site.place / "plan.toml"
        file.write_text(tomli_w.dumps(to_tables(plan)), encoding="utf-8")
        watch = MessageWatch(site.server / "state" / "superlink.db")
        log = site.place / "train.log"
        arguments = ("tacit-server", "train", "--plan", str(file), "--name", RUN, "--server", str(site.server))
        with watch.watching(), site.scripts.started(*arguments, log=log) as train:
            rounds = _followed(site, relays, train, server.pid, [one.pid for one in joined])
            for number, seen in enumerate(rounds[1:], start=1):
                progress(f"round {number} is released; ε as /metrics shows it: {seen.shown}")
            if train.wait(timeout=_RUN_SECONDS):
                raise DeploymentError(f"tacit-server train failed: {log.read_text(encoding='utf-8')[-_SHOWN:]}")
        budget = _budget(site)
        devices = [_memory_of_device(one.pid) for one in joined]
        server_peaks = _memory_of_server(server.pid)
    records = list(read_rounds(site.server / "runs" / RUN))
    if len(records) != plan["federation.rounds"]:
        raise DeploymentError(f"{len(records)} of {plan['federation.rounds']} rounds were released: see {site.place}")
    for number, figures in zip(numbers, devices, strict=True):
        figures |= _told_by_device(site, number, float(plan["privacy.delta"]))
    passages = watch.passages()
    return Measured(
        rounds=[
            _round(record, stage_times(passages, f"{record.round_number}.{record.attempts}"), earlier, later)
            for record, (earlier, later) in zip(records, pairwise(rounds), strict=True)
        ],
        devices=devices,
        idle=_per_minute(idle, idle_seconds),
        privacy=_agreed(budget, rounds, log.read_text(encoding="utf-8"), devices),
        server_peak_bytes=server_peaks,
        records=records,
        first_release=rounds[1].at,
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """When so many rounds were released.

    Attributes:
        at: seconds since 1970.
        passed: of each device.
        device_cpu, server_cpu: seconds of CPU time so far, of each device and of the server.
    load: of the machine, the mean of the last minute.
    shown: (ε against the server, ε against who sees models), as /metrics has them.
    """

    at: float
    passed: list[Passed]
    device_cpu: list[float]
    server_cpu: float
    load: float
    shown: tuple[str, str] | None


def _followed(
    site: DeployedSite, relays: Sequence[CountingRelay], train: subprocess.Popen[bytes], up: int, joined: Sequence[int]
) -> list[_Seen]:
    """What is seen before the first round and after each, until the command ends."""
    directory = site.server / "runs" / RUN

    def seen() -> _Seen:
        return _Seen(
            at=time.time(),
            passed=[one.passed() for one in relays],
            device_cpu=[_cpu_of_family(one) for one in joined],
            server_cpu=_cpu_of_family(up),
            load=os.getloadavg()[0],
            shown=_shown(site) if directory.is_dir() else None,
        )

    found = [seen()]
    deadline = time.monotonic() + _RUN_SECONDS
    while True:
        is_over = train.poll() is not None
        released = len(read_rounds(directory)) if directory.is_dir() else 0
        if released >= len(found):  # one a look: two rounds do not end within it
            found.append(seen())
        elif is_over:
            return found
        if time.monotonic() > deadline:
            raise DeploymentError(f"the run had {released} rounds when its time was over: see {site.place}")
        time.sleep(_LOOK_SECONDS)


def _cpu_of_family(process: int) -> float:
    return sum(map(cpu_seconds, [process, *descendants_of(process)]))


def _shown(site: DeployedSite) -> tuple[str, str] | None:
    """ε so far as the running server shows it; None where it shows none."""
    said = httpx.get(f"http://127.0.0.1:{site.metrics_port}/metrics", timeout=60.0, trust_env=False).text
    found: dict[str, str] = dict(_METRIC.findall(said))
    return (found["server"], found["model"]) if found.keys() >= {"server", "model"} else None


def _budget(site: DeployedSite) -> dict[str, object]:
    """What the server's command says of the run's users."""
    (run,) = [one for one in site.status()["runs"] if one["name"] == RUN]  # type: ignore[attr-defined]
    (budget,) = run["budgets"]
    return dict(budget)


def _round(record: RoundRecord, stages: Sequence[StageTimes], earlier: _Seen, later: _Seen) -> dict[str, object]:
    """Figures of one round; a stage ends when the server has taken its last reply."""
    if len(stages) != 5:
        raise DeploymentError(f"only {len(stages)} stages of round {record.round_number} were seen")
    counts = [after.since(before) for before, after in zip(earlier.passed, later.passed, strict=True)]
    return {
        "round": record.round_number,
        "replies": record.replies,
        "wall_seconds": record.seconds,
        "stages": [
            {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(one).items()}
            for one in stages
        ],
        "seconds_in_stages": sum(one.seconds for one in stages),
        # Everything of the server's own: building requests, sealing, unmasking, decoding, step.
        "seconds_between_stages": record.seconds - sum(one.seconds for one in stages),
        "seconds_from_last_reply_to_release": later.at - (stages[-1].begun + stages[-1].seconds),
        "aggregation_seconds": record.aggregation_seconds,
        "training_seconds": stages[0].at_device,
        "device_cpu_seconds": mean(b - a for a, b in zip(earlier.device_cpu, later.device_cpu, strict=True)),
        "server_cpu_seconds": later.server_cpu - earlier.server_cpu,
        "load_average": later.load,
        "wire_bytes_up_per_device": mean(one.up for one in counts),
        "wire_bytes_down_per_device": mean(one.down for one in counts),
        "connections_per_device": mean(one.connections for one in counts),
        "message_bytes_up": record.bytes_up,
        "message_bytes_down": record.bytes_down,
    }


def _memory_of_device(join: int) -> dict[str, object]:
    """Of `tacit join`, and of the SuperNode that it starts."""
    return {"join_peak_bytes": peak_bytes(join), "supernode_peak_bytes": sum(map(peak_bytes, descendants_of(join)))}


def _memory_of_server(up: int) -> dict[str, int]:
    found = {"supervisor": peak_bytes(up)}
    for process in descendants_of(up):
        words = name_of(process).split()
        if "server.deployment.processes" in words:
            found[words[words.index("server.deployment.processes") + 1]] = peak_bytes(process)
    return found


def _told_by_device(site: DeployedSite, number: int, delta: float) -> dict[str, object]:
    """What a device's own ledger comes to."""
    said = site.tacit(number, "tacit privacy", "privacy", "--delta", repr(delta))
    (line,) = [line for line in said.splitlines() if line.startswith("per user:")]
    (title,) = [line for line in said.splitlines() if line.strip().endswith("answers charged")]
    found = _EPSILON.search(line)
    if found is None or "besides" in line:
        raise DeploymentError(f"device {number} states no ε of its user: {line}")
    return {"epsilon": found[1], "answers_charged": int(title.split()[0])}


def _agreed(
    budget: Mapping[str, object], rounds: Sequence[_Seen], trained: str, devices: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    """Every statement of ε. Raises: DeploymentError: two differ, or one is missing."""
    planned = str(budget["server_planned"]), str(budget["models_planned"])
    by_status = str(budget["server_so_far"]), str(budget["models_so_far"])
    by_train = [(found[1], found[2]) for found in _BOTH.finditer(trained)]
    by_devices = sorted({str(one["epsilon"]) for one in devices})
    if not by_status == planned == rounds[-1].shown or by_train[-1:] != [planned] or by_devices != [planned[0]]:
        raise DeploymentError(
            f"ε differs: planned {planned}, status {by_status}, /metrics {rounds[-1].shown}, train {by_train}, "
            f"devices {by_devices}"
        )
    return {
        "delta": budget["delta"],
        "epsilon_server": planned[0],
        "epsilon_model_observer": planned[1],
        "status": by_status,
        # The next round may have been asked for by then.
        "metrics_after_each_round": [one.shown for one in rounds[1:]],
        "train_printed": by_train,
        "devices": by_devices,
    }


def _per_minute(idle: Sequence[Passed], seconds: float) -> dict[str, float]:
    return {
        "bytes_up_per_device_minute": mean(one.up for one in idle) * 60 / seconds,
        "bytes_down_per_device_minute": mean(one.down for one in idle) * 60 / seconds,
    }
