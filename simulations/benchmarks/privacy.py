"""What user-level privacy and its ledgers cost a round, beside the training that every run does.

On the device: checking a request against policy and ledger, charging, keeping the encrypted reply (real files, synced),
against training two pairs with the packaged model. On the server: encoding each update, summing and drawing the noise,
against the plain mean of the same updates; and the ledger's entries of a round. The peer of the noise is NumPy's own
float normals, which are neither exact nor cryptographic.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from client.answered import AnsweredRounds
from client.participation import Participation
from client.privacy_ledger import PrivacyLedger
from client.privacy_policy import PrivacyPolicy, UserLimits
from client.update import answer
from server.aggregation.ffa_lora import mean_update
from server.central_noise import CentralGaussian
from server.ledger import RunLedger
from shared.adapter import attach_adapter
from shared.adapter_spec import AdapterConfig
from shared.language_model import ModelConfig, load_language_model
from shared.messages import TrainRequest
from shared.plan_terms import UserPrivacyTerms
from shared.privacy.clipping import clip_to_norm
from shared.privacy.integer_grid import IntegerGrid
from shared.round_plan import FederationPlan
from simulations.benchmarks.report import make_report
from simulations.engines.devices import SimulatedDevices
from simulations.population.embedded.population import EmbeddedPopulation

_TERMS = UserPrivacyTerms(noise_multiplier=3.4, participations=1)
_POLICY = PrivacyPolicy(
    user=UserLimits(max_epsilon_per_run=8, max_epsilon_in_total=1e6, trust_the_server_to_add_noise=True)
)


def run(
    json_path: Path | None = None,
    *,
    devices: int = 12,
    updates: int = 200,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        devices: that train; medians are over them.
        updates: in the server's sum.
        progress: is told of every finished part.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        plan = FederationPlan(
            model=ModelConfig(device="cpu"),
            adapter=AdapterConfig(rank=2),
            user_privacy=_TERMS,
            sampling="schedule",
            cohort_size=updates,
            devices=updates * 12,
        )
        device, dimension = _device(plan, devices)
        progress(f"device: training {device['train']:.3f} s, gate {1000 * device['gate']:.1f} ms")
        server = _server(plan, dimension, updates)
        progress(f"server: plain mean {1000 * server['mean']:.0f} ms, noised sum {1000 * server['noised']:.0f} ms")
    finally:
        torch.set_num_threads(threads)
    results = [
        {"part": part, "seconds": seconds}
        for side, parts in (("device", device), ("server", server))
        for part, seconds in ((f"{side} {part}", seconds) for part, seconds in parts.items())
    ]
    round_of_training = updates * device["train"]
    return make_report(
        "privacy",
        packages=("tacit", "torch", "numpy", "cryptography"),
        results=results,
        ratios={
            "device: policy, ledger and kept reply, to training two pairs": device["gate"] / device["train"],
            "server: noised exact sum to plain mean of the same updates": server["noised"] / server["mean"],
            "server: noise and ledger of a round to the cohort's training": (server["noised"] + server["ledger"])
            / round_of_training,
            "noise: exact and cryptographic to NumPy's float normals": server["draw"] / server["numpy"],
        },
        json_path=json_path,
        shared_parameters=dimension,
        updates=updates,
    )


def _device(plan: FederationPlan, devices: int) -> tuple[dict[str, float], int]:
    """Median seconds of training, of the gate around it, and of clipping; and d."""
    adapted = attach_adapter(load_language_model(plan.model), plan.adapter)
    population = EmbeddedPopulation(seed=0, users=devices + 1, pairs_per_user=2)
    simulated = SimulatedDevices(population=population, secret=bytes(32))
    request = TrainRequest(
        run="0" * 32,
        device=0,
        round_number=1,
        attempt=1,
        plan=plan,
        spec_digest=adapted.spec.digest(),
        base_fingerprint=adapted.spec.base_fingerprint,
        training_seed=0,
        vector=adapted.beginning(),
    )
    train, gate, clip = [], [], []
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:
        for index in range(devices + 1):
            own = replace(request, run=f"{index:032x}")
            state = Path(name) / str(index) / "state"
            state.mkdir(parents=True)
            ledger = PrivacyLedger(directory=state.with_name("ledger"), anchor_directory=state)
            ledger.begin()
            own_gate = Participation(
                policy=_POLICY,
                ledger=ledger,
                answered=AnsweredRounds(state / "answered", device_key=bytes(32)),
            )
            times = [time.perf_counter()]
            own_gate.admit(own)
            times.append(time.perf_counter())
            reply = answer(own, device=simulated.device(index), adapted=adapted)
            times.append(time.perf_counter())
            own_gate.keep(own, reply)
            times.append(time.perf_counter())
            if reply.vector is not None:
                clip_to_norm(reply.vector * np.float32(2), 1.0)
            times.append(time.perf_counter())
            if index > 0:  # the first warms everything up
                train.append(times[2] - times[1])
                gate.append(times[1] - times[0] + times[3] - times[2])
                clip.append(times[4] - times[3])
    found = {"train": train, "gate": gate, "clip": clip}
    return {part: statistics.median(seconds) for part, seconds in found.items()}, adapted.spec.dimension


def _server(plan: FederationPlan, dimension: int, updates: int) -> dict[str, float]:
    """Seconds of a round's work, the noise's table made before."""
    rng = np.random.default_rng(0)
    cohort = [clip_to_norm(rng.normal(size=dimension).astype(np.float32), 1.0) for _ in range(updates)]
    mechanism = CentralGaussian(_TERMS, IntegerGrid(dimension=dimension, clipping_norm=1.0))
    with tempfile.TemporaryDirectory(prefix="tacit-bench-") as name:
        ledger = RunLedger(Path(name))
        ledger.begin(plan, range(plan.devices))

        def entries(number: int) -> None:
            ledger.ask(number, 1)
            ledger.release(number, 1)

        return {
            "mean": _median(lambda _: mean_update(cohort)),
            "noised": _median(lambda _: mechanism.release(cohort)),
            "draw": _median(lambda _: mechanism.release([])),
            "numpy": _median(lambda _: rng.normal(size=dimension)),
            "ledger": _median(lambda number: entries(number + 1)),
        }


def _median(work: Callable[[int], object], *, times: int = 9) -> float:
    seconds = []
    for number in range(times):
        began = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
