"""The subspace in which a core is trained: the frozen factors A and B of a layer's `B R A`.

Nothing of them is sent. They are drawn from the plan's seed, or read from the base model's own weights, which every
party holds: with so few numbers to train, which directions they turn decides how much can be learned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.adapter_methods import Factor
from shared.adapter_spec import SUFFIXES, AdapterConfig, first_factor, orthonormal

# Directions beyond the rank, and rounds of iteration: what is kept lies to 99 % in the leading subspace (of tacit-tiny,
# rank 10; 90 % in its flattest layer), for the price of some products with the weight: 10 s on a core at the shape of a
# 0.5B model, where an SVD of every layer would take minutes at every start.
_BEYOND, _ITERATIONS = 8, 8


def frozen_factors(
    name: str, weight: NDArray[np.floating], config: AdapterConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(A (rank, in), B (out, rank)) of a layer, float32: orthonormal rows, and columns of one length.

    Args:
        name: the layer's, which keys what is drawn.
        weight: (out, in) the base's. By `basis` "drawn" only its shape counts.

    Raises:
        ValueError: the rank is above a side of the weight.
    """
    outputs, inputs = weight.shape
    if config.rank > min(outputs, inputs):
        raise ValueError("a basis has no more directions than the narrower side of a weight")
    if config.basis == "weights":
        wide = min(config.rank + _BEYOND, outputs, inputs)
        right, left = leading_directions(weight, first_factor(_key(name, "a"), (wide, inputs), config.seed))
        rows, columns = right[: config.rank].astype(np.float32), left[: config.rank].astype(np.float32)
    else:
        rows = orthonormal(first_factor(_key(name, "a"), (config.rank, inputs), config.seed))
        columns = orthonormal(first_factor(_key(name, "b"), (config.rank, outputs), config.seed))
    # So that one step length serves every rank: a core sees rank / outputs of the square of B's gradient, and must go
    # further for as much; by the root of that it went too far in its few directions, by this not (measured).
    scaled = (outputs / config.rank) ** 0.25 * columns.T
    return rows, scaled


def leading_directions(
    weight: NDArray[np.floating], start: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k, in) and (k, out): about the k leading right and left singular directions of a weight, the first first.

    LoRA-XS (Balazy et al., 2024, arXiv:2405.17604) freezes those of the weight that it adapts. Here by subspace
    iteration from `start` (k, in), in float64, signed so that the largest entry of every row is positive: two machines
    agree up to rounding, as in every forward pass.
    """
    held = weight.astype(np.float64)
    basis = start.astype(np.float64).T
    for _ in range(_ITERATIONS):
        basis, _ = np.linalg.qr(held.T @ (held @ basis))
    left, _, turn = np.linalg.svd(held @ basis, full_matrices=False)
    right = turn @ basis.T
    largest = np.argmax(np.abs(right), axis=1)
    signs = np.where(right[np.arange(len(right)), largest] < 0, -1.0, 1.0)
    return signs[:, None] * right, signs[:, None] * left.T


def _key(name: str, factor: Factor) -> str:
    return f"{name}.{SUFFIXES[factor]}"
