"""Singular values of a product b a from its factors, never as a dense SVD.

Small stacks go through QR of both factors: b = Q_b R_b, a' = Q_a R_a, and the SVD of R_b R_a' is that of the product.
For the few leading ones of a large stack (100 devices of rank 16) the Gram matrices G_b = b'b = L L' and G_a = a a' are
cheaper: the leading eigenvectors w of L' G_a L give the right singular space a' L w. Squaring costs half the digits, so
that space is only where one exact step starts: Q = qr(b a X), and the SVD of Q' b a (Halko et al., 2011,
arXiv:0909.4061, algorithms 4.4 and 5.1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr

from shared.lora_factors import LayerFactors

_SMALL = 256  # a stack of this rank goes through QR
Triple = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def thin_svd(factors: LayerFactors) -> Triple:
    """U (out, k), S (k,) descending and V' (k, in) of the product, k = min(rank, out, in).

    Columns of U and rows of V' are orthonormal also where S is 0. Signs: the entry of a row of V' that is largest in
    magnitude is positive. Accurate to float64 rounding of ||b|| ||a||.
    """
    left, left_r = np.linalg.qr(factors.b.astype(np.float64))
    right, right_r = np.linalg.qr(factors.a.astype(np.float64).T)
    u, s, vt = np.linalg.svd(left_r @ right_r.T, full_matrices=False)
    return signed(left @ u, s, vt @ right.T)


def leading_svd(factors: LayerFactors, rank: int) -> Triple:
    """U (out, rank), S (rank,) descending and V' (rank, in), signed as in `thin_svd`.

    Their product misses the best one of that rank by at most about 1e-8 of the largest singular value.

    Raises:
        ValueError: the product has not so many singular values.
    """
    factors = _narrowed(factors)
    if not 1 <= rank <= factors.rank:
        raise ValueError(f"of {factors.rank} singular values, {rank} cannot be taken")
    if factors.rank <= _SMALL:
        u, s, vt = thin_svd(factors)
        return u[:, :rank], s[:rank], vt[:rank]
    a, b = factors.a.astype(np.float64, copy=False), factors.b.astype(np.float64, copy=False)
    count = factors.rank
    gram = b.T @ b
    # Devices that share directions make it singular; this much is below its own rounding.
    gram.flat[:: count + 1] += np.finfo(np.float64).eps * np.trace(gram) + np.finfo(np.float64).tiny
    lower = np.linalg.cholesky(gram)
    squared = lower.T @ ((a @ a.T) @ lower)
    _, leading = eigh(squared, subset_by_index=[count - rank, count - 1], overwrite_a=True, check_finite=False)
    start, _ = np.linalg.qr(a.T @ (lower @ leading))
    basis, _ = np.linalg.qr(b @ (a @ start))
    u, s, vt = np.linalg.svd((basis.T @ b) @ a, full_matrices=False)
    return signed(basis @ u, s, vt)


def product_norm(factors: LayerFactors) -> float:
    """||b a||, the Frobenius norm, accurate to float64 rounding of ||b|| ||a||."""
    if factors.rank >= min(factors.b.shape[0], factors.a.shape[1]):
        return float(np.linalg.norm(factors.product()))
    return float(np.linalg.norm(triangle(factors.b) @ triangle(factors.a.T).T))


def triangle(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """R (columns, columns) of the QR of a tall matrix."""
    found: NDArray[np.float64] = qr(matrix.astype(np.float64), mode="r", overwrite_a=True, check_finite=False)[0]
    return found[: matrix.shape[1]]


def _narrowed(factors: LayerFactors) -> LayerFactors:
    """The same product in factors no wider than it: a stack wider than the layer is multiplied out."""
    outs, ins = factors.b.shape[0], factors.a.shape[1]
    if factors.rank <= min(outs, ins):
        return factors
    if outs <= ins:
        return LayerFactors(a=factors.product(), b=np.eye(outs))
    return LayerFactors(a=np.eye(ins), b=factors.product())


def signed(u: NDArray[np.float64], s: NDArray[np.float64], vt: NDArray[np.float64]) -> Triple:
    """The same product with the entry of every row of vt that is largest in magnitude positive."""
    signs = np.sign(vt[np.arange(len(s)), np.abs(vt).argmax(axis=1)])
    signs[signs == 0] = 1
    return u * signs, s, vt * signs[:, None]
