"""Client updates per second of the engines that simulate, with the same two apps, plan and devices.

Rounds after the first are timed: the first holds the start of processes and the loading of models, which is given
beside them as the whole run's time. Cohorts are drawn from four times as many devices as are asked, so that few come
twice and have their reference log-probabilities cached.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from server.round_record import RoundRecord
from shared.language_model import ModelConfig
from shared.round_plan import FederationPlan
from simulations.benchmarks.report import make_report
from simulations.engines.inline import run_inline
from simulations.engines.ray import run_ray
from simulations.population.embedded.population import EmbeddedPopulation
from simulations.population.protocol import Population


@dataclass(frozen=True, kw_only=True)
class Case:
    """Attributes:
    engine: "inline" or "ray".
    processes: that train; 0 is this one.
    """

    engine: str
    processes: int

    @property
    def name(self) -> str:
        """As it stands in the results."""
        return f"{self.engine}, {self.processes} processes" if self.processes else f"{self.engine}, in process"


CASES = (
    Case(engine="inline", processes=0),
    Case(engine="inline", processes=2),
    Case(engine="ray", processes=2),
)


def run(
    json_path: Path | None = None,
    *,
    cases: Sequence[Case] = CASES,
    rounds: int = 5,
    cohort_size: int = 20,
    population: Population | None = None,
    plan: FederationPlan | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        cases: engines to compare; ratios are to the last of them.
        rounds, cohort_size: of each run; at least 2 rounds.
        population: devices; None is the embedded world with 10 pairs each.
        plan: None is the default plan over the packaged model.
        progress: is told of every finished case.
    """
    devices = population or EmbeddedPopulation(seed=0, users=4 * rounds * cohort_size)
    base = plan or FederationPlan(
        model=ModelConfig(device="cpu"), rounds=rounds, cohort_size=cohort_size, devices=len(devices)
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # one thread a process in every case
    try:
        results = [_measure(case, base, devices, progress) for case in cases]
    finally:
        torch.set_num_threads(threads)
    reference = results[-1]
    return make_report(
        "federation",
        packages=("tacit", "torch", "transformers", "flwr", "ray"),
        results=results,
        ratios={
            f"{result['case']} to {reference['case']}": _number(result) / _number(reference) for result in results[:-1]
        },
        json_path=json_path,
    )


def _measure(
    case: Case, plan: FederationPlan, population: Population, progress: Callable[[str], None]
) -> dict[str, object]:
    records: list[RoundRecord] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:
        directory = Path(name) / "run"
        if case.engine == "ray":
            run_ray(plan, population, directory=directory, processes=case.processes, observe=records.append)
        else:
            run_inline(plan, population, directory=directory, processes=case.processes, observe=records.append)
    whole = time.perf_counter() - began
    timed = records[1:]
    rate = statistics.median(record.replies / record.seconds for record in timed)
    device = statistics.median(record.metrics.device_seconds for record in timed if record.metrics is not None)
    progress(f"{case.name}: {rate:.2f} updates a second; the whole run {whole:.1f} s")
    return {
        "case": case.name,
        "engine": case.engine,
        "processes": case.processes,
        "rounds": plan.rounds,
        "cohort": plan.cohort_size,
        "replies": sum(record.replies for record in records),
        "failures": sum(len(record.failures) for record in records),
        "updates_per_second": rate,
        "first_round_seconds": records[0].seconds,
        "whole_run_seconds": whole,
        "device_seconds_median": device,
        "bytes_up": records[-1].bytes_up,
        "bytes_down": records[-1].bytes_down,
    }


def _number(result: dict[str, object]) -> float:
    value = result["updates_per_second"]
    return value if isinstance(value, float) else float("nan")


def main() -> None:
    """`python -m simulations.benchmarks.federation --json FILE`."""
    parser = argparse.ArgumentParser(description="Client updates per second, by engine.")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cohort", type=int, default=20)
    arguments = parser.parse_args()
    run(arguments.json, rounds=arguments.rounds, cohort_size=arguments.cohort, progress=print)


if __name__ == "__main__":
    main()
