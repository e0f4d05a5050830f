"""What aggregating many adapters costs the server, by method, beside a dense SVD of their mean.

Random factors from each of 100 devices, half of them common to all, of all layers of one block of a 7B model with
grouped-query attention: a model takes so many times as long as it has blocks. The aggregation error is that of the
first layer, and says nothing of trained adapters. FlexLoRA beside the dense way, in which the mean of one layer's
products is formed and handed to NumPy's SVD: in float32, as the factors are, of the same layer in the same run.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from server.aggregation import (
    fed_sb,
    fedask,
    fedex_lora,
    fedit,
    fedsa_lora,
    fedsvd,
    flexlora,
    flora,
    hetlora,
    lora_fair,
    robust_means,
    rolora,
)
from server.aggregation.aggregation_error import aggregation_error
from server.aggregation.ffa_lora import mean_update
from shared.lora_factors import LayerFactors, Layers
from simulations.benchmarks.report import make_report

# (out, in) of attention's q, k, v, o with 8 of 32 key-value heads, then gate, up and down.
_BLOCK = ((4096, 4096), (1024, 4096), (1024, 4096), (4096, 4096), (11008, 4096), (11008, 4096), (4096, 11008))
_Model = tuple[Layers, Layers | None]  # factors and residuals
_T = TypeVar("_T")


def run(
    json_path: Path | None = None,
    *,
    devices: int = 100,
    rank: int = 16,
    block: Sequence[tuple[int, int]] = _BLOCK,
    blocks: int = 32,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, object]:
    """Runs the benchmark, writes it as JSON where a path is given, and returns it.

    Args:
        devices: whose adapters are aggregated, at least 5.
        rank: of all of them.
        block: (out, in) of a block's adapted layers. The first one is compared with a dense SVD.
        blocks: how many times as long a model takes.
        progress: is told of every finished part.
    """
    results: list[dict[str, object]] = []

    def tell(part: str, seconds: float, peak: int, error: float | None = None) -> None:
        figures = {"block_seconds": seconds, "model_seconds": blocks * seconds, "peak_bytes": peak, "error": error}
        results.append({"part": part, **figures})
        missed = "" if error is None else f", error {error:.1e}"
        progress(
            f"{part:<24} {seconds:6.2f} s a block, {blocks * seconds:5.0f} s a model, {peak / 1e6:5.0f} MB{missed}"
        )

    clients = _adapters(devices, rank, block)
    beneath_one_a = [
        tuple(LayerFactors(a=first.a, b=own.b) for first, own in zip(clients[0], layers, strict=True))
        for layers in clients
    ]
    for trained, methods in (
        (clients, _of_any_factors(clients, rank)),
        (beneath_one_a, _of_factors_beneath_one_a(beneath_one_a)),
    ):
        for part, work in methods:
            (layers, residuals), seconds, peak = _measured(work)
            first = [device[:1] for device in trained]
            error = aggregation_error(layers[:1], first, residuals[:1] if residuals is not None else None)
            tell(part, seconds, peak, error)
    for part, means in _of_parts(clients, rank):
        _, seconds, peak = _measured(means)
        tell(part, seconds, peak)
    compared = _beside_dense([layers[:1] for layers in clients], rank)
    results.append({"part": "one layer beside a dense SVD", **compared})
    progress(
        f"one layer of {block[0][0]} x {block[0][1]}: dense SVD {compared['dense_seconds']:.1f} s, "
        f"FlexLoRA {compared['flexlora_seconds']:.2f} s, singular values apart by {compared['apart']:.1e}"
    )
    return make_report(
        "aggregate",
        packages=("tacit", "numpy", "scipy", "flwr"),
        results=results,
        ratios={
            "FlexLoRA's SVD of one layer: dense to factored, time": (
                compared["dense_seconds"] / compared["flexlora_seconds"]
            ),
        },
        json_path=json_path,
        devices=devices,
        rank=rank,
        block=[list(shape) for shape in block],
        blocks=blocks,
    )


def _of_any_factors(clients: Sequence[Layers], rank: int) -> Iterator[tuple[str, Callable[[], _Model]]]:
    yield "fedit", lambda: (fedit.mean_factors(clients), None)
    yield "hetlora", lambda: (hetlora.aggregate(clients), None)
    yield "lora-fair", lambda: (lora_fair.correct(clients, regularisation=0.01), None)
    yield "fedask, two sketches", lambda: (fedask.aggregate(clients, rank=rank, oversampling=rank, seed=0), None)
    yield "flexlora", lambda: (flexlora.aggregate(clients, rank=rank), None)
    yield "flora", lambda: (flora.stack(clients), None)
    yield "fedex-lora", lambda: fedex_lora.aggregate(clients)


def _of_factors_beneath_one_a(clients: Sequence[Layers]) -> Iterator[tuple[str, Callable[[], _Model]]]:
    yield "rolora", lambda: (rolora.mean_active(clients, active="b"), None)
    yield "fedsvd", lambda: (fedsvd.refactor(fedit.mean_factors(clients)), None)
    yield "fedask, one sum", lambda: (fedask.refactor(fedit.mean_factors(clients)), None)


def _of_parts(clients: Sequence[Layers], rank: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Methods whose result alone is no model, and means of flat vectors."""
    sent_a = [tuple(one.a for one in layers) for layers in clients]
    yield "fedsa-lora", lambda: fedsa_lora.mean_a(sent_a)
    cores = [tuple(one.a[:, :rank] for one in layers) for layers in clients]
    yield "fed-sb", lambda: fed_sb.mean_cores(cores)
    flat_b = [np.concatenate([one.b.ravel() for one in layers], dtype=np.float32) for layers in clients]
    yield "ffa-lora, flat", lambda: mean_update(flat_b)
    yield "median, flat", lambda: robust_means.median(flat_b)
    yield "trimmed mean, flat", lambda: robust_means.trimmed_mean(flat_b, 0.1)
    yield "geometric median, flat", lambda: robust_means.geometric_median(flat_b)
    yield "krum, flat", lambda: robust_means.krum(flat_b, corrupt=1)


def _beside_dense(clients: Sequence[Layers], rank: int) -> dict[str, float]:
    def dense() -> NDArray[np.float32]:
        total = np.zeros((clients[0][0].b.shape[0], clients[0][0].a.shape[1]), dtype=np.float32)
        for (one,) in clients:
            total += one.b @ one.a
        singular: NDArray[np.float32] = np.linalg.svd(total / np.float32(len(clients)), full_matrices=False)[1]
        return singular

    (ours,), seconds, peak = _measured(lambda: flexlora.aggregate(clients, rank=rank))
    theirs, dense_seconds, dense_peak = _measured(dense)
    apart = np.abs(np.linalg.norm(ours.b, axis=0) / theirs[:rank] - 1).max()
    if apart > 1e-3:
        raise RuntimeError("FlexLoRA's singular values are not those of the dense mean")
    return {
        "flexlora_seconds": seconds,
        "flexlora_peak_bytes": peak,
        "dense_seconds": dense_seconds,
        "dense_peak_bytes": dense_peak,
        "apart": float(apart),
    }


def _measured(work: Callable[[], _T]) -> tuple[_T, float, int]:
    """What `work` returns, its seconds, and the most bytes of arrays it held (LAPACK's own work space is not seen)."""
    tracemalloc.start()
    try:
        began = time.perf_counter()
        done = work()
        return done, time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _adapters(devices: int, rank: int, block: Sequence[tuple[int, int]]) -> list[Layers]:
    random = np.random.default_rng(0)

    def drawn() -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        def one(*shape: int) -> NDArray[np.float32]:
            return random.standard_normal(shape, dtype=np.float32)

        return [(one(rank, ins), one(outs, rank)) for outs, ins in block]

    common = drawn()
    return [
        tuple(LayerFactors(a=a + own_a, b=b + own_b) for (a, b), (own_a, own_b) in zip(common, drawn(), strict=True))
        for _ in range(devices)
    ]
