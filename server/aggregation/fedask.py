"""FedASK's aggregation (Wen et al., 2025, arXiv:2507.09990): two sketches instead of the products.

Stage 1 sums Y = sum B_i A_i Omega over devices, Q = qr(Y). Stage 2 sums Z = sum (B_i A_i)' Q, and from the SVD of Z' =
U S V' come B = Q U S^1/2 and A = S^1/2 V'. Each stage is linear in the products, so that two secure sums are enough. Q
holds the sum's range if Omega has as many columns as the sum has rank, and nothing is cut off if that rank is at most
the one asked for: then it is exact.

Where devices train only B beneath one common A, as the paper does under privacy, sum B_i A = (sum B_i) A. Both sketches
are linear functions of mean(B), so ONE sum of B is enough, and `refactor` of it gives what the two stages would.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.aggregation.cohort_layers import by_layer, mean_of
from server.aggregation.thin_svd import Triple, signed, thin_svd
from shared.lora_factors import LayerFactors, Layers


def sketch_left(clients: Sequence[LayerFactors], omega: NDArray[np.float64]) -> NDArray[np.float64]:
    """(out, columns) Y = sum B_i (A_i Omega) of one layer; omega (in, columns)."""
    return mean_of(one.b @ (one.a @ omega) for one in clients) * len(clients)


def sketch_right(clients: Sequence[LayerFactors], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """(in, columns) Z = sum A_i' (B_i' Q) of one layer; q (out, columns)."""
    return mean_of(one.a.T @ (one.b.T @ q) for one in clients) * len(clients)


def aggregate(clients: Sequence[Layers], *, rank: int, oversampling: int, seed: int) -> Layers:
    """mean(B_i A_i) in balanced factors of `rank`, float64, sketched with rank + oversampling Gaussian columns.

    Args:
        seed: of Omega, which is public: server and devices draw the same.

    Raises:
        ValueError: no devices, layers that differ in number or shape, a rank below 1 or above a layer's, or a negative
            oversampling.
    """
    if oversampling < 0:
        raise ValueError("oversampling is at least 0")
    random = np.random.default_rng(seed)
    found = []
    for layer in by_layer(clients, one_rank=False):
        outs, ins = layer[0].b.shape[0], layer[0].a.shape[1]
        if not 1 <= rank <= min(outs, ins):
            raise ValueError(f"a layer of {outs} x {ins} has no {rank} directions")
        omega = random.standard_normal((ins, min(rank + oversampling, outs, ins)))
        q, _ = np.linalg.qr(sketch_left(layer, omega))
        u, s, vt = np.linalg.svd(sketch_right(layer, q).T / len(clients), full_matrices=False)
        found.append(_balanced(signed(q @ u[:, :rank], s[:rank], vt[:rank])))
    return tuple(found)


def refactor(layers: Layers) -> Layers:
    """The same products, balanced: b = U S^1/2, a = S^1/2 V'. Where a product is zero the factors stay as they are.

    Raises:
        ValueError: a rank above a layer's width or height.
    """
    for layer in layers:
        if layer.rank > min(layer.a.shape[1], layer.b.shape[0]):
            raise ValueError(f"a layer of {layer.b.shape[0]} x {layer.a.shape[1]} has no {layer.rank} directions")
    return tuple(layer if not layer.b.any() else _balanced(thin_svd(layer)) for layer in layers)


def _balanced(triple: Triple) -> LayerFactors:
    """A direction without a singular value would be zero in both factors, where no gradient reaches it. Only its column
    of b is zero; its row of a is as long as the shortest that is used."""
    u, s, vt = triple
    used = s > s[0] * np.finfo(np.float64).eps * max(u.shape[0], vt.shape[1])
    root = np.sqrt(np.where(used, s, 0.0))
    shortest = root[used].min() if used.any() else 1.0
    return LayerFactors(a=np.where(used, root, shortest)[:, None] * vt, b=u * root)
