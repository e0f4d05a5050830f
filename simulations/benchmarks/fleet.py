"""How many devices one server bears: a real server behind its front door, and protocol-level devices that poll it.

A server is saturated where the 95th percentile of a poll's latency is above the 3 s between polls, fewer than 90 % of
the polls that were due come through, or devices are lost. The number of devices is doubled until that is plain: until
the latency is, or half the polls are missing. At every level the idle load (polls and heartbeats) is measured over a
window, and then a real run of one round with all devices as its cohort, by the server's own executor: roll call,
requests, updates of the right size, release.

The devices run on the same machine as the server: what they cost is measured, and said beside what the server costs.
Processor seconds a request are the figure that carries over to other machines; latencies do not where others compete.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flwr.common.constant import HEARTBEAT_BASE_MULTIPLIER, HEARTBEAT_CALL_TIMEOUT, HEARTBEAT_DEFAULT_INTERVAL

from server.deployment.runs import ServerRun
from server.releases import read_rounds
from server.round_record import RoundRecord
from shared.language_model import ModelConfig
from shared.round_plan import FederationPlan
from simulations.benchmarks.fleet_load import Load, Seen, load
from simulations.benchmarks.fleet_meter import Meter, Used
from simulations.benchmarks.report import make_report
from simulations.engines.protocol_device import POLL_SECONDS
from simulations.engines.server_site import ServerSite, server_site

LEVELS = (25, 50, 100, 200, 400, 800)
_MOST_SECONDS = 480.0
_WINDOW_SECONDS = 24.0  # a heartbeat of every device
_SETTLE_SECONDS = 6.0
_ARRIVE_SECONDS = 60.0
_ROUND_SECONDS = 150.0
_LEAST_POLLED = 0.9
_SERVING = ("superlink", "front-door")
_POLL, _BEAT = "PullMessages", "SendNodeHeartbeat"
_BEAT_SECONDS = (HEARTBEAT_DEFAULT_INTERVAL - HEARTBEAT_CALL_TIMEOUT) * HEARTBEAT_BASE_MULTIPLIER
_COLLAPSED = 0.5  # of the polls that were due
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class _Window:
    """What was seen and used between two looks, `seconds` apart."""

    seen: Seen
    used: Used
    seconds: float
    load_seconds: float


def run(
    json_path: Path | None = None,
    *,
    levels: Sequence[int] = LEVELS,
    window_seconds: float = _WINDOW_SECONDS,
    most_seconds: float = _MOST_SECONDS,
    rounds: bool = True,
    processes: int = 2,
    progress: Progress = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        levels: numbers of devices, ascending.
        window_seconds: over which each level's idle load is measured.
        most_seconds: after which no further level or round is begun.
        rounds: whether a round is run at each level, too.
        processes: of the load generator.
        progress: is told of every finished measurement.
    """
    deadline = time.monotonic() + most_seconds
    results: list[dict[str, object]] = []
    saturated: int | None = None
    with tempfile.TemporaryDirectory(prefix="tacit-fleet-") as name, server_site(Path(name) / "server") as site:
        progress(f"a server serves on {site.address}; the devices' processes start")
        with load(site.address, site.directory.authority, processes=processes) as devices:
            meter = Meter(site.running.pid)
            there = 0
            for level in levels:
                if time.monotonic() + window_seconds + _ARRIVE_SECONDS > deadline:
                    progress(f"{level} devices: not begun, as the time is over")
                    break
                arrival = _arrive(site, devices, level - there)
                there = level
                idle = _idle(level, devices, meter, window_seconds) | arrival
                results.append(idle)
                progress(_spelled(idle))
                if idle["saturated"] and saturated is None:
                    saturated = level
                if idle["collapsed"]:
                    break
                if not rounds:
                    continue
                if time.monotonic() + _ROUND_SECONDS / 2 > deadline:
                    progress(f"{level} devices: no round, as the time is over")
                    continue
                left = min(_ROUND_SECONDS, deadline - time.monotonic())
                done = _round(site, level, devices, meter, idle, left)
                results.append(done)
                progress(_spelled_round(done))
    fitted = _fitted([one for one in results if one["part"] == "idle"])
    for name in _SERVING if fitted else ():
        progress(
            f"fitted, {name}: {1000 * fitted[f'{name} seconds a request']:.2f} ms of a core a request, so one core of "
            f"it bears {fitted[f'{name} devices a core']:.0f} devices"
        )
    return make_report(
        "fleet",
        packages=("tacit", "flwr", "httpx", "uvicorn", "cryptography"),
        results=results,
        ratios={},
        json_path=json_path,
        poll_seconds=POLL_SECONDS,
        saturation={
            "means": f"p95 of a poll above {POLL_SECONDS:g} s, under {_LEAST_POLLED:.0%} of the polls that were due, "
            "or devices lost",
            "devices": saturated,
        },
        fitted=fitted,
    )


def _arrive(site: ServerSite, devices: Load, count: int) -> dict[str, object]:
    """Enrols and starts so many devices more, and waits until they are there."""
    cards = devices.make(count)
    began = time.perf_counter()
    entries = site.enrol(cards)
    enrolled = time.perf_counter() - began
    there = devices.seen().active
    devices.start([entry.number for entry in entries])
    deadline = time.monotonic() + _ARRIVE_SECONDS
    while devices.seen().active < there + count and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(_SETTLE_SECONDS)
    return {"enrol_seconds_a_device": enrolled / count}


def _watched(devices: Load, meter: Meter, work: Callable[[], None]) -> _Window:
    """What is seen and used while something happens."""
    first = devices.seen()
    meter.start()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    used, last = meter.stop(), devices.seen()
    return _Window(seen=last, used=used, seconds=seconds, load_seconds=last.cpu_seconds - first.cpu_seconds)


def _idle(level: int, devices: Load, meter: Meter, seconds: float) -> dict[str, object]:
    window = _watched(devices, meter, lambda: time.sleep(seconds))
    polls = window.seen.seconds.get(_POLL, [])
    beats = window.seen.seconds.get(_BEAT, [])
    due = level / POLL_SECONDS
    requests = window.seen.statuses.total()
    cores = {name: window.used.cpu[name] / window.seconds for name in _SERVING}
    p95 = float(np.percentile(polls, 95)) if polls else float("inf")
    rate = len(polls) / window.seconds
    return {
        "part": "idle",
        "devices": level,
        "active": window.seen.active,
        "lost": dict(window.seen.ended),
        "requests_per_second": requests / window.seconds,
        "polls_per_second": rate,
        "polls_due_per_second": due,
        "poll_seconds_median": statistics.median(polls) if polls else None,
        "poll_seconds_p95": p95 if polls else None,
        "heartbeat_seconds_median": statistics.median(beats) if beats else None,
        "failed_requests": requests - window.seen.statuses[200],
        "cores": cores,
        "server_seconds_a_request": sum(cores.values()) * window.seconds / max(requests, 1),
        "cores_of_the_load": window.load_seconds / window.seconds,
        "cores_of_others": window.used.others / window.seconds,
        "rss_bytes": window.used.rss,
        "written_bytes_per_second": window.used.written["superlink"] / window.seconds,
        "bytes_up_per_second": window.seen.bytes_up / window.seconds,
        "bytes_down_per_second": window.seen.bytes_down / window.seconds,
        "saturated": p95 > POLL_SECONDS or rate < _LEAST_POLLED * due or window.seen.active < level,
        "collapsed": p95 > POLL_SECONDS or rate < _COLLAPSED * due,
    }


def _round(
    site: ServerSite, level: int, devices: Load, meter: Meter, idle: dict[str, object], timeout: float
) -> dict[str, object]:
    """One real run of one round, its cohort all devices."""
    plan = FederationPlan(
        model=ModelConfig(device="cpu"), rounds=1, cohort_size=level, devices=level,
        minimum_replies=max(1, int(0.8 * level)), attempts=1, round_timeout=timeout,
    )  # fmt: skip
    run = ServerRun(site.directory, f"cohort-{level}")
    run.want(plan, resume=False)
    until = time.monotonic() + timeout

    def wait() -> None:
        while (now := run.control()) is None or not now.is_over:
            if time.monotonic() > until:
                run.change(state="stopped", said="the benchmark's time was over")
                return
            time.sleep(0.2)

    window = _watched(devices, meter, wait)
    now, records = run.control(), read_rounds(run.path)
    record: RoundRecord | None = records[0] if records else None
    per_second = idle["requests_per_second"]
    requests = window.seen.statuses.total()
    expected = per_second * window.seconds if isinstance(per_second, float) else 0.0
    cores = idle["cores"]
    idle_cores = sum(cores.values()) if isinstance(cores, dict) else 0.0
    return {
        "part": "round",
        "devices": level,
        "state": None if now is None else now.state,
        "said": "" if now is None else now.said,
        "replies": 0 if record is None else record.replies,
        "round_seconds": None if record is None else record.seconds,
        "run_seconds": window.seconds,  # with the start of the run and the roll call
        "bytes_down_a_device": None if record is None else record.bytes_down,
        "bytes_up_a_device": None if record is None else record.bytes_up,
        "requests_a_device": (requests - expected) / level,
        "wire_bytes_up_a_device": window.seen.bytes_up / level,  # polls, roll call and bundle's request included
        "wire_bytes_down_a_device": window.seen.bytes_down / level,
        "poll_seconds_p95": float(np.percentile(window.seen.seconds.get(_POLL, [0.0]), 95)),
        "cpu_seconds": dict(window.used.cpu),
        "serving_cpu_seconds_a_device": (sum(window.used.cpu[n] for n in _SERVING) - idle_cores * window.seconds)
        / level,
        "executor_peak_rss_bytes": window.used.rss.get("executor"),
        "rss_bytes": window.used.rss,
        "cores_of_others": window.used.others / window.seconds,
        "lost": dict(window.seen.ended),
        "written_bytes": window.used.written["superlink"],
    }


def _fitted(idle: Sequence[dict[str, object]]) -> dict[str, float]:
    """Least squares of what the server uses, over the requests that it answered in a second: so levels count at which
    others kept it from answering all. A device asks `requests_a_device_second` where nobody keeps it waiting."""
    if len(idle) < 2:
        return {}
    answered = np.array([_number(one, "requests_per_second") for one in idle])
    fitted = {"requests_a_device_second": 1 / POLL_SECONDS + 1 / _BEAT_SECONDS}
    for name in _SERVING:
        slope, rest = np.polyfit(answered, [one["cores"][name] for one in idle], 1)  # type: ignore[index]
        fitted[f"{name} seconds a request"] = float(slope)
        fitted[f"{name} cores at rest"] = float(rest)
        fitted[f"{name} devices a core"] = float((1 - rest) / (slope * fitted["requests_a_device_second"]))
        memory, least = np.polyfit(
            [_number(one, "devices") for one in idle],
            [one["rss_bytes"][name] for one in idle],  # type: ignore[index]
            1,
        )
        fitted[f"{name} bytes a device"], fitted[f"{name} bytes at rest"] = float(memory), float(least)
    written = np.polyfit(answered, [_number(one, "written_bytes_per_second") for one in idle], 1)
    fitted["superlink bytes written a request"] = float(written[0])
    return fitted


def _number(result: dict[str, object], key: str) -> float:
    value = result[key]
    return float(value) if isinstance(value, int | float) else float("nan")


def _spelled(idle: dict[str, object]) -> str:
    cores = idle["cores"]
    spent = ", ".join(f"{name} {value:.2f}" for name, value in cores.items()) if isinstance(cores, dict) else ""
    median, p95 = (1000 * _number(idle, f"poll_seconds_{name}") for name in ("median", "p95"))
    return (
        f"{idle['devices']} devices idle: {_number(idle, 'polls_per_second'):.1f} of "
        f"{_number(idle, 'polls_due_per_second'):.1f} polls/s, median {median:.0f} ms, p95 {p95:.0f} ms; cores: "
        f"{spent}, devices {_number(idle, 'cores_of_the_load'):.2f}, others {_number(idle, 'cores_of_others'):.2f}"
        f"{_spelled_lost(idle)}{': SATURATED' if idle['saturated'] else ''}"
    )


def _spelled_lost(result: dict[str, object]) -> str:
    lost = result["lost"]
    named = ", ".join(f"{count} {why}" for why, count in lost.items()) if isinstance(lost, dict) else ""
    return f"; lost: {named}" if named else ""


def _spelled_round(done: dict[str, object]) -> str:
    if done["round_seconds"] is None:
        return f"{done['devices']} devices, a round: {done['state']} ({done['said']}){_spelled_lost(done)}"
    return (
        f"{done['devices']} devices, a round: {done['replies']} replies in {_number(done, 'round_seconds'):.1f} s, "
        f"{1000 * _number(done, 'serving_cpu_seconds_a_device'):.0f} ms of the server's cores and "
        f"{_number(done, 'requests_a_device'):.1f} requests a device{_spelled_lost(done)}"
    )


def main() -> None:
    """`python -m simulations.benchmarks.fleet --json FILE`."""
    parser = argparse.ArgumentParser(description="Devices that one server bears.")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS))
    parser.add_argument("--most-seconds", type=float, default=_MOST_SECONDS)
    parser.add_argument("--idle", action="store_true", help="Run no rounds.")
    arguments = parser.parse_args()
    run(
        arguments.json, levels=arguments.levels, most_seconds=arguments.most_seconds, rounds=not arguments.idle,
        progress=print,
    )  # fmt: skip


if __name__ == "__main__":
    main()
