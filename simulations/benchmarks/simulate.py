"""Client updates per second of the engines that simulate, beside Flower's Ray runtime and Apple's `pfl`.

Ray runs the same two apps as `inline`. pfl runs the same model, pairs, cohorts and steps (`pfl_peer`). Rounds after the
first are timed; what is not in them, the start of processes and the loading of models, stands apart. Every engine must
end at the adapter of the first one. Cohorts are drawn from four times as many devices as are asked, so that few come
twice and have their reference log-probabilities cached. Beside it: what one message costs, with nothing else to do.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from server.releases import read_checkpoint
from server.round_record import RoundRecord
from shared.language_model import ModelConfig
from shared.round_plan import FederationPlan
from simulations.benchmarks.message_cost import inline_message_seconds, ray_message_seconds
from simulations.benchmarks.pfl_peer import INSTALL, PACKAGES, is_installed, run_pfl
from simulations.benchmarks.report import make_report
from simulations.engines.inline import run_inline
from simulations.engines.ray import run_ray
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.protocol import Population

Engine = Literal["inline", "ray", "pfl"]
# Of an adapter's numbers, in the last of a few rounds: a mean of float32 updates of norm 1.
_TOLERANCE = 1e-4


class DifferentWorkError(RuntimeError):
    """Engines ended at different adapters, or devices did not answer: what was timed was not the same work."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Attributes:
    engine: whose.
    processes: that train; 0 is this one (of pfl, one of its own).
    together: devices that share passes, of inline in process.
    """

    engine: Engine
    processes: int
    together: int = 1

    @property
    def name(self) -> str:
        """As it stands in the results."""
        if self.processes == 0:
            shared = f", {self.together} devices together" if self.together > 1 else ""
            return f"{self.engine}, in process{shared}"
        return f"{self.engine}, {self.processes} process{'es' if self.processes > 1 else ''}"


CASES = (
    Case(engine="inline", processes=0),
    Case(engine="inline", processes=0, together=20),
    Case(engine="pfl", processes=1),
    Case(engine="inline", processes=2),
    Case(engine="pfl", processes=2),
    Case(engine="ray", processes=2),
)
# (ours, theirs): on as many cores.
_COMPARED = (
    ("inline, in process", "pfl, 1 process"),
    ("inline, in process, 20 devices together", "pfl, 1 process"),
    ("inline, in process, 20 devices together", "inline, in process"),
    ("inline, 2 processes", "pfl, 2 processes"),
    ("inline, 2 processes", "ray, 2 processes"),
    ("inline, 2 processes", "inline, in process"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ran:
    round_seconds: Sequence[float]
    whole_seconds: float
    vector: NDArray[np.float32]
    records: Sequence[RoundRecord] = ()


def run(
    json_path: Path | None = None,
    *,
    cases: Sequence[Case] = CASES,
    rounds: int = 5,
    cohort_size: int = 20,
    repeats: int = 2,
    messages: int = 1000,
    population: Population | None = None,
    plan: FederationPlan | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        cases: engines to compare; the first is the one that the others must agree with.
        rounds, cohort_size: of each run; at least 2 rounds.
        repeats: runs of each case, in turn, so that what else the machine does falls on all of them.
        messages: of which the cost is measured; 0 measures none.
        population: devices; None is the embedded world with 10 pairs each.
        plan: None is the default plan over the packaged model.
        progress: is told of every finished run.

    Raises:
        DifferentWorkError: and what the engines raise.
    """
    devices = population or EmbeddedPopulation(seed=0, users=4 * rounds * cohort_size)
    base = plan or FederationPlan(
        model=ModelConfig(device="cpu"), rounds=rounds, cohort_size=cohort_size, devices=len(devices)
    )
    skipped = _skipped(cases)
    for name, why in skipped.items():
        progress(f"{name} is skipped: {why}")
    there = [case for case in cases if case.engine not in skipped]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread a process in every case
    runs: dict[str, list[_Ran]] = {case.name: [] for case in there}
    try:
        for _ in range(repeats):
            for case in there:
                ran = _run(case, base, devices)
                runs[case.name].append(ran)
                progress(f"{case.name}: {_rate(base, [ran]):.2f} updates a second; whole run {ran.whole_seconds:.1f} s")
        message_seconds = _message_costs(there, devices, messages, progress)
    finally:
        torch.set_num_threads(threads)
    first = next(iter(runs.values()))[0].vector
    results = [_result(case, base, runs[case.name], first) for case in there]
    rates = {name: _rate(base, of) for name, of in runs.items()}
    ratios = {
        f"updates a second, {ours} to {theirs}": rates[ours] / rates[theirs]
        for ours, theirs in _COMPARED
        if ours in rates and theirs in rates
    }
    if len(message_seconds) > 1:
        ratios["time of a message, ray to inline"] = message_seconds["ray"] / message_seconds["inline"]
    used = {case.engine for case in there}
    return make_report(
        "simulate",
        packages=(
            *("tacit", "torch", "transformers", "peft", "flwr"),
            *(("ray",) if "ray" in used else ()),
            *(PACKAGES if "pfl" in used else ()),
        ),
        results=results,
        ratios=ratios,
        json_path=json_path,
        rounds=base.rounds,
        cohort=base.cohort_size,
        repeats=repeats,
        message_seconds=message_seconds,
        skipped=skipped,
    )


def _skipped(cases: Sequence[Case]) -> dict[str, str]:
    """Why an engine that was asked for is left out, by its name."""
    wanted = {case.engine for case in cases}
    found = {}
    if "ray" in wanted and find_spec("ray") is None:
        found["ray"] = "it is not installed: pip install 'tacit[sim]'"
    if "pfl" in wanted and not is_installed():
        found["pfl"] = f"it is not installed: {INSTALL}"
    return found


def _run(case: Case, plan: FederationPlan, population: Population) -> _Ran:
    if case.engine == "pfl":
        done = run_pfl(plan, population, processes=case.processes)
        return _Ran(round_seconds=done.round_seconds, whole_seconds=done.whole_seconds, vector=done.vector)
    records: list[RoundRecord] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:
        directory = Path(name) / "run"
        if case.engine == "ray":
            run_ray(plan, population, directory=directory, processes=case.processes, observe=records.append)
        else:
            run_inline(
                plan, population, directory=directory, processes=case.processes, together=case.together,
                observe=records.append,
            )  # fmt: skip
        whole = time.perf_counter() - began
        last = read_checkpoint(directory)
    if any(record.replies != plan.cohort_size for record in records):
        raise DifferentWorkError(f"{case.name}: not every device answered, so its updates cannot be counted")
    return _Ran(
        round_seconds=[record.seconds for record in records],
        whole_seconds=whole,
        vector=last.vector,
        records=records,
    )


def _rate(plan: FederationPlan, runs: Sequence[_Ran]) -> float:
    """Updates a second: the median of the rounds after each run's first."""
    return statistics.median(plan.cohort_size / seconds for ran in runs for seconds in ran.round_seconds[1:])


def _result(case: Case, plan: FederationPlan, runs: Sequence[_Ran], first: NDArray[np.float32]) -> dict[str, object]:
    apart = max(float(np.abs(ran.vector - first).max()) for ran in runs)
    if apart > _TOLERANCE:
        raise DifferentWorkError(f"{case.name} ended {apart:.1e} away from the first engine's adapter")
    steady = [seconds for ran in runs for seconds in ran.round_seconds[1:]]
    result: dict[str, object] = {
        "case": case.name,
        "engine": case.engine,
        "processes": case.processes,
        "together": case.together,
        "updates_per_second": _rate(plan, runs),
        "round_seconds": [list(ran.round_seconds) for ran in runs],
        # Whatever is not a steady round: processes, imports, models, the first round's extra, the release.
        "start_up_seconds": statistics.median(
            ran.whole_seconds - plan.rounds * statistics.median(steady) for ran in runs
        ),
        "whole_run_seconds": [ran.whole_seconds for ran in runs],
        "adapter_apart": apart,
    }
    records = [record for ran in runs for record in ran.records]
    if records:
        timed = [record.metrics.device_seconds for record in records if record.metrics is not None]
        result |= {
            "replies": sum(record.replies for record in records),
            "device_seconds_median": statistics.median(timed),
            "bytes_up": records[-1].bytes_up,
            "bytes_down": records[-1].bytes_down,
        }
    return result


def _message_costs(
    cases: Sequence[Case], population: Population, messages: int, progress: Callable[[str], None]
) -> dict[str, float]:
    """Seconds a message, by engine; pfl has none."""
    engines = {case.engine for case in cases}
    if messages == 0 or "inline" not in engines:
        return {}
    found = {"inline": inline_message_seconds(population, messages=messages)}
    if "ray" in engines:
        found["ray"] = ray_message_seconds(population, messages=messages, processes=2)
    for engine, seconds in found.items():
        progress(f"{engine}: {1000 * seconds:.2f} ms a message")
    return found
