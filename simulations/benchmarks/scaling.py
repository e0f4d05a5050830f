"""How time and memory grow with users, cohort, d and sequence length: an exponent each, fitted over a few sizes.

Every point runs in a process of its own, one thread, with the packaged model. Time is a median of repeats after one
that does not count; memory is by how much all of them raise the process's peak above what it held before, model loaded.

- users: a round of a small cohort that trains, drawn from so many users.
- cohort: a round of so many devices that train.
- d of a device: a local step on ten pairs, with the shared parameters of several ranks.
- d of the server: its whole round with devices that answer at once.
- tokens: a local step on pairs of so many tokens a row, prompt and both replies.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from simulations.benchmarks.own_process import measured_alone, resident_bytes
from simulations.benchmarks.power_law import fit_exponent

if TYPE_CHECKING:
    from client.prepared_pairs import PreparedPair
    from server.round_record import RoundRecord

# A rank stands for d, which is in proportion to it.
SIZES: Mapping[str, Sequence[int]] = {
    "users": (100, 10_000, 1_000_000),
    "cohort": (2, 4, 8, 16),
    "d of a device": (1, 4, 16, 64),
    "d of the server": (1, 4, 16, 64),
    "tokens": (64, 128, 256, 512),
}
_RANK, _COHORT, _SERVER_COHORT, _ROUNDS = 4, 4, 50, 3
_PAIRS, _STEPS = 10, 5


def run(
    json_path: Path | None = None,
    *,
    sizes: Mapping[str, Sequence[int]] = SIZES,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it. Needs Linux.

    Args:
        sizes: of `SIZES`, by what grows; at least three of each.
        progress: is told of every point and exponent.
    """
    from simulations.benchmarks.report import make_report

    results: list[dict[str, object]] = []
    exponents: dict[str, dict[str, dict[str, float]]] = {}
    for what, points in sizes.items():
        found = [measured_alone("simulations.benchmarks.scaling", what, size) for size in points]
        for size, figures in zip(points, found, strict=True):
            results.append({"what": what, "setting": size, **figures})
            progress(
                f"{what} {figures['size']:,.0f}: {figures['seconds']:.3f} s, {figures['added_bytes'] / 1e6:.0f} MB more"
            )
        exponents[what] = {}
        for cost, field in (("time", "seconds"), ("memory", "added_bytes")):
            fitted = fit_exponent([one["size"] for one in found], [one[field] for one in found])
            exponents[what][cost] = asdict(fitted)
            progress(f"{what}: {cost} grows with exponent {fitted.value:.2f} ({fitted.low:.2f} to {fitted.high:.2f})")
    ratios = {
        f"{what}: exponent of {cost}": fitted["value"] for what, of in exponents.items() for cost, fitted in of.items()
    }
    return make_report(
        "scaling",
        packages=("tacit", "torch", "transformers", "peft", "flwr", "numpy", "scipy"),
        results=results,
        ratios=ratios,
        json_path=json_path,
        exponents=exponents,
        cohort=_COHORT,
        server_cohort=_SERVER_COHORT,
        pairs=_PAIRS,
    )


def _measure(what: str, setting: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    if what == "tokens":
        return _step_figures(rank=_RANK, tokens=setting)
    return _step_figures(rank=setting, tokens=None) if what == "d of a device" else _round_figures(what, setting)


def _step_figures(*, rank: int, tokens: int | None) -> dict[str, float]:
    """Of a local step, on rows of so many tokens or, by default, on a user's own pairs."""
    from client.prepared_pairs import CostMeter
    from client.training import TrainingConfig, prepare_pairs, take_plain_step
    from shared.adapter import attach_adapter
    from shared.adapter_spec import AdapterConfig
    from shared.language_model import ModelConfig, load_language_model
    from simulations.population.embedded.population import EmbeddedPopulation

    adapted = attach_adapter(load_language_model(ModelConfig(device="cpu")), AdapterConfig(rank=rank))
    config, meter = TrainingConfig(), CostMeter()
    if tokens is None:
        pairs = EmbeddedPopulation(seed=0, users=1, pairs_per_user=_PAIRS).pairs(0)
        prepared = prepare_pairs(adapted, pairs, config.limits(), meter=meter)
    else:
        prepared = _rows(adapted.language_model.model.config.vocab_size, tokens)
    before = resident_bytes()
    seconds = []
    for _ in range(_STEPS + 1):
        began = time.perf_counter()
        take_plain_step(adapted, prepared, config, meter)
        for parameter in adapted.shared_parameters():
            parameter.grad = None
        seconds.append(time.perf_counter() - began)
    return {
        "size": tokens or adapted.spec.dimension,
        "seconds": statistics.median(seconds[1:]),
        "added_bytes": resident_bytes("VmHWM") - before,
    }


def _rows(vocabulary: int, tokens: int) -> list[PreparedPair]:
    """Pairs of random tokens: half of a row is the prompt, a quarter each reply."""
    import numpy as np

    from client.packing import EncodedPair
    from client.prepared_pairs import PreparedPair
    from shared.chat_format import ScoredTokens

    stream = np.random.default_rng(0)

    def reply() -> ScoredTokens:
        ids = tuple(stream.integers(vocabulary, size=tokens // 4).tolist())
        return ScoredTokens(ids=ids, scored=(True,) * len(ids))

    return [
        PreparedPair(
            encoded=EncodedPair(
                prompt=tuple(stream.integers(vocabulary, size=tokens - 2 * (tokens // 4)).tolist()),
                chosen=reply(),
                rejected=reply(),
            ),
            reference_chosen=-float(tokens),
            reference_rejected=-float(tokens),
        )
        for _ in range(_PAIRS)
    ]


def _round_figures(what: str, setting: int) -> dict[str, float]:
    """Of a whole round over the inline engine, in this process."""
    from server.releases import read_checkpoint
    from shared.adapter_spec import AdapterConfig
    from shared.language_model import ModelConfig, load_language_model
    from shared.round_plan import FederationPlan
    from simulations.benchmarks.quick_devices import quick_client
    from simulations.engines.inline import run_inline
    from simulations.population.embedded.population import EmbeddedPopulation

    load_language_model(ModelConfig(device="cpu"))  # its libraries stand in `before`
    of_server = what == "d of the server"
    cohort = {"cohort": setting, "users": _COHORT}.get(what, _SERVER_COHORT)
    users = EmbeddedPopulation(seed=0, users=setting if what == "users" else 4 * _ROUNDS * cohort)
    plan = FederationPlan(
        model=ModelConfig(device="cpu"),
        adapter=AdapterConfig(rank=setting if of_server else _RANK),
        rounds=_ROUNDS,
        cohort_size=cohort,
        devices=len(users),
    )
    records: list[RoundRecord] = []
    before = resident_bytes()
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:
        directory = Path(name) / "run"

        if of_server:
            run_inline(plan, users, directory=directory, processes=0, observe=records.append, tamper=quick_client)
        else:
            run_inline(plan, users, directory=directory, processes=0, observe=records.append)
        shared = len(read_checkpoint(directory).vector)
    return {
        "size": shared if of_server else setting,
        "seconds": statistics.median(record.seconds for record in records[1:]),
        "added_bytes": resident_bytes("VmHWM") - before,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=tuple(SIZES))
    parser.add_argument("setting", type=int)
    arguments = parser.parse_args()
    print(json.dumps(_measure(arguments.what, arguments.setting)))
