"""Cohorts of random factors, and what dense matrices say of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shared.lora_factors import LayerFactors, Layers

SHAPES = ((20, 30), (17, 9))


def cohort(
    seed: int = 0,
    *,
    ranks: Sequence[int] = (3, 3, 3, 3, 3),
    shapes: Sequence[tuple[int, int]] = SHAPES,
    same_a: bool = False,
    same_b: bool = False,
) -> list[Layers]:
    """One device a rank, float32 as devices send; layers of (out, in) `shapes`."""
    random = np.random.default_rng(seed)

    def drawn(*shape: int) -> NDArray[np.float32]:
        return random.standard_normal(shape).astype(np.float32)

    common = [LayerFactors(a=drawn(ranks[0], ins), b=drawn(outs, ranks[0])) for outs, ins in shapes]
    return [
        tuple(
            LayerFactors(a=one.a if same_a else drawn(rank, ins), b=one.b if same_b else drawn(outs, rank))
            for one, (outs, ins) in zip(common, shapes, strict=True)
        )
        for rank in ranks
    ]


def dense_means(clients: Sequence[Layers]) -> list[NDArray[np.float64]]:
    """mean(B_i A_i) of every layer, in the plainest way."""
    return [np.mean([one.product() for one in layer], axis=0) for layer in zip(*clients, strict=True)]


def assert_products(layers: Layers, dense: Sequence[NDArray[np.float64]], *, rtol: float = 1e-12) -> None:
    """Every layer's product is the dense matrix, up to rounding of its norm."""
    for one, expected in zip(layers, dense, strict=True):
        assert np.linalg.norm(one.product() - expected) <= rtol * np.linalg.norm(expected)
