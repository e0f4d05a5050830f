"""How much memory a device's round, the server's aggregation and a simulation take, by how many there are.

Every part runs in a process of its own, whose peak is what is stated; beside it what the process held before, with
PyTorch and the model loaded. The server's part is its whole app over the inline engine, messages and release included,
with devices that answer at once. A simulation's part is one round of a small cohort that really trains, drawn from many
users.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulations.benchmarks.own_process import measured_alone, resident_bytes

SIMULATION_LIMIT = 10**9  # bytes, whatever the population
_COHORT = 4
_RANK = 4

Side = Literal["device", "server", "simulation"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Attributes:
    side: whose memory.
    size: pairs of the device, cohort of the server, or users of the simulation.
    """

    side: Side
    size: int

    @property
    def name(self) -> str:
        """As it stands in the results."""
        of = {"device": "pairs", "server": "updates", "simulation": "users"}[self.side]
        return f"{self.side}, {self.size:,} {of}"


PARTS = (
    Part(side="device", size=10),
    Part(side="server", size=10),
    Part(side="server", size=100),
    Part(side="server", size=1000),
    Part(side="simulation", size=1000),
    Part(side="simulation", size=1_000_000),
)


def run(
    json_path: Path | None = None,
    *,
    parts: Sequence[Part] = PARTS,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it. Needs Linux.

    Args:
        progress: is told of every finished part.
    """
    from simulations.benchmarks.report import make_report

    results: list[dict[str, object]] = []
    peaks: dict[Side, list[float]] = {"device": [], "server": [], "simulation": []}
    for part in parts:
        figures = measured_alone("simulations.benchmarks.memory", part.side, part.size)
        peaks[part.side].append(figures["peak_bytes"])
        results.append({"part": part.name, "side": part.side, "size": part.size, **figures})
        progress(
            f"{part.name}: peak {figures['peak_bytes'] / 1e6:.0f} MB, {figures['before_bytes'] / 1e6:.0f} MB of them "
            f"before; {figures['seconds']:.1f} s"
        )
    ratios = {f"{side}: peak of the largest to the smallest": of[-1] / of[0] for side, of in peaks.items() if of[1:]}
    if peaks["simulation"]:
        ratios["simulation: largest peak to 1 GB"] = max(peaks["simulation"]) / SIMULATION_LIMIT
    return make_report(
        "memory",
        packages=("tacit", "torch", "transformers", "peft", "flwr", "numpy"),
        results=results,
        ratios=ratios,
        json_path=json_path,
        cohort=_COHORT,
        rank=_RANK,
    )


def _print_measured(part: Part) -> None:
    from rich.console import Console

    from shared.command_line import quiet_libraries

    quiet_libraries(Console(stderr=True))
    import torch

    from client.training import TrainingConfig, train_locally
    from shared.adapter import attach_adapter
    from shared.adapter_spec import AdapterConfig
    from shared.language_model import ModelConfig, load_language_model
    from shared.privacy.clipping import clip_to_norm
    from shared.privacy.noise import SeededTestNoise
    from shared.round_plan import FederationPlan
    from simulations.benchmarks.quick_devices import quick_client
    from simulations.engines.inline import run_inline
    from simulations.population.embedded.population import EmbeddedPopulation

    torch.set_num_threads(1)
    model = ModelConfig(device="cpu")
    loaded = load_language_model(model)
    before, began = resident_bytes(), time.perf_counter()
    if part.side == "device":
        adapted = attach_adapter(loaded, AdapterConfig(rank=_RANK))
        pairs = EmbeddedPopulation(seed=0, users=1, pairs_per_user=part.size).pairs(0)
        noise = SeededTestNoise(0)
        update = train_locally(adapted, adapted.beginning(), pairs, TrainingConfig(), noise=noise, seed=0)
        clip_to_norm(update.vector, 1.0)
    else:
        users = EmbeddedPopulation(seed=0, users=part.size)
        plan = FederationPlan(
            model=model,
            adapter=AdapterConfig(rank=_RANK),
            rounds=1,
            cohort_size=part.size if part.side == "server" else _COHORT,
            devices=part.size,
        )
        with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:
            directory = Path(name) / "run"
            if part.side == "server":
                run_inline(plan, users, directory=directory, processes=0, tamper=quick_client)
            else:
                run_inline(plan, users, directory=directory, processes=0)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "before_bytes": before, "peak_bytes": resident_bytes("VmHWM")}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=("device", "server", "simulation"))
    parser.add_argument("size", type=int)
    arguments = parser.parse_args()
    _print_measured(Part(side=arguments.side, size=arguments.size))
